// Goal: whoever copies what README and docs/http-api.md show gets what they show.
// Method: the commands of the documents, in their order, in a shell against a real system, and calls for
// the answers that stand there without a command. Every answer that is printed must then be among those that
// came, but for ids and instants. `SECKILL_UPDATE_SNAPSHOTS=1` writes the nearest answer of today into the
// documents.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { read } from '../support/repository.ts';
import { buildStack, untilRows } from '../support/stack.ts';

const system = await buildStack(t, 'client-documents');
const { info } = system.stack;
const API = 'docs/http-api.md';
const README = 'README.md';
/** test/house/readmes.test.ts shows that the Chinese README has the same code. */
const README_ZH = 'README.zh-CN.md';

/** Ids and instants differ in each run. */
function normalize(text: string): string {
  return (
    text
      .replaceAll(/(pears-\d)\.\d+\.[\w-]{20,}/g, '$1.ID')
      .replaceAll(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, 'UUID')
      .replaceAll(/(?!2030)20\d\d-[\d-]+T[\d:.]+Z/g, 'INSTANT')
      .replaceAll(/"(pickupCode|code)":"\d+"/g, '"$1":"CODE"')
      // Refunds and notices have numbers, and the bytes of a notice name an order.
      .replaceAll(/"(id|nextCursor)":"\d+"/g, '"$1":"NUMBER"')
      .replaceAll(/"body":"[\w+/=]+"/g, '"body":"BYTES"')
  );
}

/** The blocks of a document that are marked `sh` and call the gateway. */
function readCommands(path: string): string[] {
  return [...read(path).matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .map(([, body = '']) => body)
    .filter((body) => body.includes('$GATEWAY') || body.includes('GATEWAY='));
}

/** A line that is an answer, as a gateway writes it: JSON without blanks between its parts. */
function readExamples(path: string): string[] {
  return read(path)
    .split('\n')
    .filter((line) => /^\{"/.test(line));
}

const SHELL = `
set -u
call() { command curl --max-time 20 "$@"; }
curl() {
  local out; out=$(call "$@"); printf '%s\\n' "$out"
  local id; id=$(printf %s "$out" | grep -o '"id":"[a-z0-9-]*[.][0-9]*[.][A-Za-z0-9_-]*"' | head -n 1 | cut -d '"' -f 4)
  if [ -n "$id" ]; then LAST=$id; fi
}
`;

/**
 * Runs commands. Reads of a sale may be a second old, so the shell waits before them. @returns what they
 * print.
 */
function run(t: Test, commands: string[]): string[] {
  const script = commands
    .join('\n')
    .replaceAll(/^GATEWAY=.*$/gm, `GATEWAY=${info.gateway}`)
    .replaceAll('token -- ', `token -- --name ${system.name} `)
    .replaceAll('.run/default/', `.run/${system.name}/`)
    .replaceAll(/^(ORDER|MINE)=.*$/gm, '$1=$LAST')
    .replaceAll(/^(curl -s \$GATEWAY\/v1\/sales\/[\w-]+)$/gm, 'sleep 1.3; $1');
  const { stdout, stderr, status } = spawnSync('bash', ['-c', SHELL + script], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  return stdout.split('\n').filter((line) => line.startsWith('{'));
}

/** The commands of the document that sign a notice, for the notice of a payment. */
function notify(t: Test, id: string, paymentId: string, timestamp: string): string {
  const [block = ''] = readCommands(API).filter((body) => body.includes('SIGNATURE='));
  const amount = '"amount":{"amount":1990,"currency":"CNY"}';
  const data = `{"orderId":"${id}","paymentId":"${paymentId}",${amount}}`;
  const body = `{"type":"payment.succeeded","timestamp":${timestamp},"data":${data}}`;
  const [answer = ''] = run(t, ['GATEWAY=', `BODY='${body}'`, block.replaceAll('msg_1', 'msg_9')]);
  return answer;
}

const [admin, buyer] = [await system.token('operator', true), await system.token('u1')];

async function get(path: string, token?: string): Promise<string> {
  const { text } = await system.send({ path, ...(token === undefined ? {} : { token }) });
  return text;
}

/** Runs the walk of the README. The prose between its commands asks for a repeat and for a second try. */
function walkReadme(t: Test): string[] {
  const commands = readCommands(README);
  const reserve = commands.findIndex((body) => body.includes('first-try'));
  const [first = ''] = commands.splice(reserve, 1);
  const second = first.replace('first-try', 'second-try').replace('curl', 'call');
  return run(t, [
    ...commands.slice(0, reserve),
    first,
    `${first.trimEnd()}\n${second}echo\n`,
    ...commands.slice(reserve),
    'call -s -X POST $GATEWAY/v1/orders/$ORDER/cancel -H "authorization: Bearer $BUYER"; echo',
  ]);
}

/** Runs the commands of docs/http-api.md, and calls for the answers that stand there without a command. */
async function walkApi(t: Test): Promise<string[]> {
  const answers = run(t, [
    `GATEWAY=\nADMIN=${admin}\nBUYER=${buyer}\n`,
    ...readCommands(API).filter((body) => body.includes('pears-4')),
  ]);
  await untilRows(system, 'pears-4', 1);
  const { id } = JSON.parse(answers.find((line) => line.includes('"ref"')) ?? '{}') as { id: string };
  const reserve = (quantity: number, key: string) =>
    system.send({
      method: 'POST',
      path: '/v1/sales/pears-4/reservations',
      token: buyer,
      key,
      body: { lines: [{ sku: 'pear-2kg', quantity }] },
    });
  answers.push((await reserve(2, 'more')).text);
  for (const [paymentId, timestamp, result] of [
    ['pay-77', '"2026-11-29T12:00:05Z"', 'paid'],
    ['pay-77', '"2026-11-29T12:00:05Z"', 'already_paid'],
    ['pay-78', '"2026-11-29T12:00:05Z"', 'refund_due'],
    ['pay-79', '1795348800', 'kept'],
  ] as const) {
    t.equal(notify(t, id, paymentId, timestamp), `{"result":"${result}"}`, `the notice is ${result}`);
    if (result !== 'paid') continue;
    answers.push(await get('/v1/sales/pears-4/report', admin), await get('/v1/sales/pears-4/pickups', admin));
  }
  answers.push(await get('/v1/refunds?saleId=pears-4', admin), await get('/v1/notices', admin));
  answers.push(
    (await system.send({ method: 'POST', path: `/v1/orders/${id}/cancel`, token: buyer })).text,
    await get('/v1/sales/pears-4/channels'),
  );
  // Both engines have the payment before the audit is asked.
  await pause(1_500);
  answers.push(await get('/v1/sales/pears-4'), await get('/v1/sales/pears-4/audit', admin));
  answers.push(await get('/v1/sales/pears-4/changes?limit=1', admin));
  const pauseItem = { method: 'POST', path: '/v1/sales/pears-4/items/pear-2kg/pause', token: admin } as const;
  answers.push((await system.send(pauseItem)).text);
  answers.push(await get('/v1/sales/pears-4/explain', admin));
  return answers;
}

/** Tells how alike two texts are: the names and values that both have, less those that only one has. */
function likeness(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => new Set(normalize(text).match(/"[^"]+"|\d+/g)));
  const both = [...(left ?? [])].filter((word) => right?.has(word) === true).length;
  return 2 * both - (left?.size ?? 0) - (right?.size ?? 0);
}

/** An example may leave out what stands in brackets: `{…}` or `[…]`. */
function toPattern(example: string): RegExp {
  const parts = example.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

function hold(t: Test, path: string, answers: string[]): void {
  const known = answers.map(normalize);
  let text = read(path);
  for (const example of readExamples(path)) {
    const pattern = toPattern(normalize(example));
    if (known.some((answer) => pattern.test(answer))) {
      t.pass(`${path} shows what came: ${example.slice(0, 40)}`);
      continue;
    }
    const [nearest = ''] = [...answers].sort((a, b) => likeness(b, example) - likeness(a, example));
    const isWhole = !example.includes('…');
    if (isWhole && process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1')
      text = text.replace(example, () => nearest);
    else t.equal(normalize(example), normalize(nearest), `${path} shows an answer that came`);
  }
  if (text !== read(path)) writeFileSync(join(import.meta.dirname, '../..', path), text);
}

/** Pieces of answers in the prose, like \`"total":3,"available":1\`. */
function holdPieces(t: Test, path: string, answers: string[]): void {
  const pieces = [...read(path).matchAll(/`("\w+":[^`]+)`/g)].map(([, piece = '']) => piece);
  for (const piece of pieces) {
    t.ok(
      answers.some((answer) => answer.includes(piece)),
      `${path}: ${piece}`,
    );
  }
}

await t.test('the answers in README are those that its commands get', (t) => {
  const ofReadme = walkReadme(t);
  hold(t, README, ofReadme);
  hold(t, README_ZH, ofReadme);
  holdPieces(t, README, ofReadme);
  t.end();
});

await t.test('the example of a signature is what its commands print', (t) => {
  const [, commands = '', printed = ''] =
    /^```sh\n(SECRET=whsec_[\s\S]*?)^```\n```\n(.*)\n```$/m.exec(read(API)) ?? [];
  const { stdout } = spawnSync('bash', ['-c', commands], { encoding: 'utf8' });
  t.equal(stdout.trim(), printed);
  t.not(printed, '');
  t.end();
});

await t.test('the answers in docs/http-api.md are those that the calls get', async (t) => {
  const ofApi = await walkApi(t);
  hold(t, API, ofApi);
  holdPieces(t, API, ofApi);
});
