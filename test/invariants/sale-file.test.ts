// Goal: a sale is created and steered by a file, again and again, and never to what the file does not say.
// Method: the built command against the real system; every change is read back through the public API.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@seckill/stack';
import { CommandRunner, runAsProcess, type Ended } from '@seckill/testing';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { makeReserve } from '../support/reserve.ts';
import { buildStack, createSale, oneItem } from '../support/stack.ts';

const client = await buildStack(t, 'sale-file');
const operator = await client.token('operator', true);
const commands = new CommandRunner(ROOT);
const folder = mkdtempSync(join(tmpdir(), 'sale-file-'));
t.teardown(async () => {
  await commands.stop();
  rmSync(folder, { recursive: true });
});

const PROGRAM = `${ROOT}/scripts/stack/dist/commands/sale.js`;
const URL = ['--url', client.stack.info.gateway];
const env = { PATH: process.env['PATH'] ?? '', SECKILL_TOKEN: operator };
const run = (...args: string[]): Promise<Ended> => commands.run(PROGRAM, [...args, ...URL], env);
const read = async (saleId: string) =>
  (await client.send({ path: `/v1/sales/${saleId}`, token: operator })).body;

/** A file with the sale, changed as told. */
function write(name: string, changes: Record<string, unknown> = {}): string {
  const sale = {
    id: name,
    title: 'From a file',
    closesAt: '2030-01-01T08:00:00+08:00',
    items: [oneItem(10), { ...oneItem(5), sku: 'b' }],
    channels: [{ id: 'li', kind: 'store', title: 'Li', cap: 4 }],
    ...changes,
  };
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, stringify(sale));
  return file;
}

await t.test('a file creates a sale, and again changes nothing', async (t) => {
  const paused = [
    { ...oneItem(10), paused: true },
    { ...oneItem(5), sku: 'b' },
  ];
  const atOnce = await run('apply', write('file-new', { items: paused, state: 'paused' }));
  t.match(atOnce, { code: 1, stderr: /^nothing was created\n.*:\d+: .*needs an opensAt/ }, 'it would sell');
  const opensAt = '2029-12-01T00:00:00Z';
  const file = write('file-new', { items: paused, state: 'paused', opensAt });
  t.match(await run('diff', file), { code: 1, stdout: /:1: there is no sale file-new yet/ });
  t.match(await run('apply', file, '--dry-run'), { code: 0, stdout: 'file-new: would be created\n' });
  t.equal((await client.send({ path: '/v1/sales/file-new' })).status, 404);
  const applied = await run('apply', file);
  t.match(applied, { code: 0, stdout: /^created file-new\n/ }, applied.stderr);
  t.match(await read('file-new'), { state: 'paused', items: [{ sku: 'a', paused: true }, { sku: 'b' }] });
  const { version } = await read('file-new');
  t.match(await run('apply', file), { code: 0, stdout: /nothing was changed/ });
  t.match(await run('diff', file), { code: 0, stdout: 'file-new is as the file says\n' });
  t.equal((await read('file-new'))['version'], version);
});

await t.test('a changed file changes what it says, and nothing else', async (t) => {
  await run('apply', write('file-change'));
  const file = write('file-change', {
    title: { zh: '改', en: 'Changed' },
    limitPerBuyer: 3,
    items: [oneItem(12), { ...oneItem(5), sku: 'b', paused: true }],
    channels: [
      { id: 'li', kind: 'store', title: 'Li', cap: 6 },
      { id: 'wu', kind: 'store', title: 'Wu' },
    ],
    state: 'paused',
  });
  const differs = await run('diff', file);
  t.equal(differs.code, 1);
  t.match(differs.stdout, /:\d+: a: total 10 → 12 \(restock 2\)/);
  t.match(await run('apply', file, '--reason', 'more came'), { code: 0 });
  t.match(await read('file-change'), {
    title: { en: 'Changed' },
    limitPerBuyer: 3,
    state: 'paused',
    items: [{ total: 12, available: 12 }, { paused: true }],
    channels: [{ id: 'li', cap: 6 }, { id: 'wu' }],
  });
  const changes = await client.send({ path: '/v1/sales/file-change/changes', token: operator });
  const data = changes.body['data'] as { action: string; reason?: string; by: string }[];
  t.same(
    data.map(({ action }) => action),
    ['restock', 'change', 'pause', 'pause_item', 'create'],
    'what stops comes first',
  );
  t.equal(data.filter(({ reason }) => reason === 'more came').length, 4);
  t.match(await run('apply', write('file-change', { items: [oneItem(12)], state: 'open' })), { code: 0 });
  const after = await read('file-change');
  t.match(after, { state: 'open', limitPerBuyer: 3, items: [{ sku: 'a' }, { sku: 'b', paused: true }] });
  t.equal((after['channels'] as object[]).length, 2, 'what a file leaves out stays');
});

await t.test('a total is lowered only when that is said, and never below what is held', async (t) => {
  const saleId = 'file-lower';
  await run('apply', write(saleId));
  await makeReserve(client, await client.token('file-buyer'))(saleId, { quantity: 4 });
  const file = write(saleId, { items: [oneItem(3)], title: 'Lower' });
  const refused = await run('apply', file);
  t.match(refused, { code: 1, stderr: /^nothing was changed\n.*:\d+: a: total 10 → 3 .*which only --lower/ });
  t.match(await read(saleId), { title: 'From a file', items: [{ total: 10 }] });
  const lowered = await run('apply', file, '--lower');
  t.match(lowered, { code: 1, stderr: /:\d+: only 6 could be taken out, 1 are held or paid/ });
  t.match(await read(saleId), { title: 'Lower', items: [{ total: 4, held: 4 }] });
  t.match(await run('apply', write(saleId, { items: [oneItem(4)], title: 'Lower' })), { code: 0 });
});

await t.test('what cannot be changed is told with its line, and nothing is done', async (t) => {
  const saleId = 'file-fixed';
  await run('apply', write(saleId));
  const priced = { ...oneItem(10), price: { amount: 99, currency: 'CNY' } };
  const file = write(saleId, { title: 'Other', items: [priced, { ...oneItem(1), sku: 'new' }] });
  const refused = await run('apply', file);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /:\d+: items\.0\.price is fixed: .*\n.*:\d+: new is no item of the sale/);
  t.match(await read(saleId), { title: 'From a file', version: 1 });
  // The service refuses what only it can judge.
  const past = await run('apply', write(saleId, { closesAt: '2020-01-01T00:00:00Z' }));
  t.match(past, { code: 1, stderr: /file-fixed\.yaml:3: (invalid_request|not_changeable): / });
  const moved = await run('apply', write(saleId, { opensAt: '2029-12-01T00:00:00Z', state: 'paused' }));
  t.match(moved, { code: 1, stderr: /^nothing was changed\n.*:\d+: opensAt is fixed/ });
  t.match(await read(saleId), { state: 'open', version: 1 });
  const closing = await run('apply', write(saleId, { title: 'Last', state: 'closed' }));
  t.match(closing, { code: 0 }, closing.stderr);
  t.match(await read(saleId), { title: 'Last', state: 'closed' });
  t.match(await run('apply', write(saleId, { state: 'open' })), { code: 1, stderr: /stays so/ });
});

await t.test('what is read is a file that changes nothing, also of a sale made by hand', async (t) => {
  const kit = { sku: 'kit', title: 'Kit', price: { amount: 300, currency: 'CNY' } };
  const items = [oneItem(10), { ...kit, components: [{ sku: 'a', quantity: 2 }] }];
  await createSale(client, 'file-get', { items, limitPerBuyer: 4, metadata: { shop: [1, 'x'] } });
  const got = await run('get', 'file-get');
  t.match(got, { code: 0, stdout: /^# yaml-language-server: \$schema=sale\.schema\.json\nid: file-get\n/ });
  const file = join(folder, 'got.yaml');
  writeFileSync(file, got.stdout);
  t.match(await run('diff', file), { code: 0 });
  t.match(await run('apply', file), { code: 0, stdout: /nothing was changed/ });
  const json = await run('get', 'file-get', '--json');
  t.same(JSON.parse(json.stdout), parse(got.stdout));
  t.match(await run('get', 'file-none'), { code: 1, stderr: 'there is no sale file-none\n' });
  t.match(await run('list', '--limit', '100'), { code: 0, stdout: /^file-get +open +20/m });
});

await t.test("a process of its own; a token that is not an operator's, and no gateway", async (t) => {
  const file = write('file-process');
  t.match(await runAsProcess(PROGRAM, ['apply', file, ...URL], { env }), { code: 0, stdout: /^created/ });
  const buyer = { ...env, SECKILL_TOKEN: await client.token('file-buyer') };
  const forbidden = await commands.run(PROGRAM, ['apply', write('file-other'), ...URL], buyer);
  t.match(forbidden, { code: 1, stderr: /^forbidden: / });
  const without = await commands.run(PROGRAM, ['get', 'x', ...URL], { PATH: env.PATH });
  t.match(without, { code: 2, stderr: /SECKILL_TOKEN/ });
  const nobody = await commands.run(PROGRAM, ['get', 'x', '--url', 'http://127.0.0.1:1'], env);
  t.match(nobody, { code: 1, stderr: /^the gateway at http:\/\/127\.0\.0\.1:1 does not answer\n$/ });
});
