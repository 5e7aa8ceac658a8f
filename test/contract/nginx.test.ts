// Goal: docs/operating/nginx.conf does what it says: buyers reserve through the shop's own origin, copies are
// cached by their tag, live events arrive at once, and each client address has a limit of its own.
// Method: Debian's nginx runs that very file, on another port, before a gateway of the whole system. The
// buyers come from several addresses of loopback.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePorts, installPackages, ROOT, startChild } from '@seckill/stack';
import t, { type Test } from 'tap';
import { Agent, request } from 'undici';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const ADDRESS_MAX = 20;

/** Debian keeps nginx where only root's PATH leads. */
const find = () => findProgram('nginx') ?? findProgram('/usr/sbin/nginx');

async function findNginx(): Promise<string | undefined> {
  if (find() === undefined) {
    await installPackages(['nginx-light'], (line) => {
      t.comment(line);
    });
  }
  return find();
}

/** Runs the file of the docs before the gateway. @returns where it answers, and its log. */
async function startNginx(t: Test, program: string, gateway: string): Promise<{ url: string; log: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-nginx-'));
  const [port] = (await freePorts(1)) as [number];
  const documented = readFileSync(join(ROOT, 'docs/operating/nginx.conf'), 'utf8');
  const put = (text: string, from: string, to: string): string => {
    if (!text.includes(from)) throw new Error(`nginx.conf has no ${from}`);
    return text.replace(from, to);
  };
  const listening = put(documented, 'listen 80;', `listen 127.0.0.1:${port};`);
  const proxied = put(listening, 'server 127.0.0.1:8080;', `server ${new URL(gateway).host};`);
  const log = join(folder, 'access.log');
  const site = put(proxied, '/var/log/nginx/seckill.log', log);
  writeFileSync(join(folder, 'site.conf'), site);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  // What stands around such a file on any machine, but within this folder and as this user.
  const main = [
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    `worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};`,
    'events { worker_connections 256; }',
    `http { access_log off; ${temporary.join(' ')} include ${join(folder, 'site.conf')}; }`,
  ];
  writeFileSync(join(folder, 'nginx.conf'), main.join('\n'));
  const child = await startChild({
    name: 'nginx',
    command: program,
    args: ['-p', folder, '-e', join(folder, 'error.log'), '-c', 'nginx.conf', '-g', 'daemon off;'],
    env: { PATH: process.env['PATH'] ?? '' },
    cwd: folder,
    output: { file: join(folder, 'output.log') },
  });
  t.teardown(async () => {
    await child.stop();
    rmSync(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${port}`;
  await until('nginx answers', () =>
    fetch(url).then(
      () => true,
      () => false,
    ),
  );
  return { url, log };
}

const nginx = await findNginx();
if (nginx === undefined) t.plan(0, 'no nginx here, and none can be installed');
else {
  const client = await buildStack(t, 'nginx');
  const gateway = await client.stack.startProcess({
    service: 'gateway',
    name: 'gateway-nginx',
    env: { TRUST_PROXY: '127.0.0.1', RATE_LIMIT_ADDRESS_MAX: String(ADDRESS_MAX), DRAIN_MS: '0' },
  });
  const { url, log } = await startNginx(t, nginx, gateway.url);
  await createSale(client, 'proxied', { items: [oneItem(100)], limitPerBuyer: 10 });
  const token = await client.token('u1');

  /** Asks from an address of this machine, over a connection of its own. */
  async function ask(address: string, path: string, headers: Record<string, string> = {}) {
    const dispatcher = new Agent({ localAddress: address });
    const answer = await request(`${url}${path}`, { dispatcher, headers });
    const text = await answer.body.text();
    await dispatcher.close();
    return { status: answer.statusCode, headers: answer.headers, text };
  }

  async function reserve(key: string) {
    const answer = await request(`${url}/v1/sales/proxied/reservations`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'idempotency-key': key,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ lines: [{ sku: 'a', quantity: 1 }] }),
    });
    return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
  }

  await t.test('a buyer reserves, and a repeat gets the first answer', async (t) => {
    const first = await reserve('key-1');
    t.match(first, { status: 201, body: { userId: 'u1' } });
    t.same(await reserve('key-1'), first);
  });

  await t.test('the type of an error leads to its page, and the contract can be read', async (t) => {
    const problem = await ask('127.0.0.1', '/v1/sales/nowhere');
    t.equal(problem.status, 404);
    const { type } = JSON.parse(problem.text) as { type: string };
    const page = new URL(type, url);
    t.equal(page.hash, '#sale_not_found');
    const shown = await ask('127.0.0.1', page.pathname);
    t.match(shown, { status: 200, text: /id="sale_not_found"/ });
    for (const path of ['/openapi.json', '/docs/']) t.match(await ask('127.0.0.1', path), { status: 200 });
    t.match(await ask('127.0.0.1', '/livez'), { status: 404 }, 'and nothing else of a gateway');
  });

  await t.test('a copy is cached by its tag', async (t) => {
    // The gateway hears of the reservation above within a second. Nothing changes the sale after that.
    await until('the gateway has heard of the reservation', async () =>
      (await ask('127.0.0.1', '/v1/sales/proxied')).text.includes('"available":99'),
    );
    const first = await ask('127.0.0.1', '/v1/sales/proxied');
    t.equal(first.status, 200);
    const etag = String(first.headers['etag']);
    t.match(etag, /^(W\/)?"/);
    const again = await ask('127.0.0.1', '/v1/sales/proxied', { 'if-none-match': etag });
    t.match(again, { status: 304, text: '' });
  });

  await t.test('a pick-up code in an address is in no log', async (t) => {
    const operator = await client.token('operator', true);
    const path = '/v1/sales/proxied/orders';
    const asked = await ask('127.0.0.1', `${path}?pickupCode=918273`, {
      authorization: `Bearer ${operator}`,
    });
    t.equal(asked.status, 200);
    await until('nginx has logged it', () => readFileSync(log, 'utf8').includes(path));
    t.notMatch(readFileSync(log, 'utf8'), /918273|pickupCode/);
    const ours = join(ROOT, '.run', client.name, 'gateway-nginx.log');
    t.notMatch(readFileSync(ours, 'utf8'), /918273/, 'nor in ours');
  });

  await t.test('live events are not gathered up: each arrives when it was told', async (t) => {
    let heard = '';
    const listening = get(`${url}/v1/sales/proxied/events`, { agent: false }, (answer) => {
      t.equal(answer.statusCode, 200);
      answer.on('data', (part: Buffer) => (heard += part.toString()));
      answer.on('error', () => undefined);
    });
    listening.on('error', () => undefined);
    t.teardown(() => listening.destroy());
    await until('the first event', () => heard.includes('event: sale'));
    for (const [key, left] of Object.entries({ 'key-2': 98, 'key-3': 97 })) {
      t.equal((await reserve(key)).status, 201);
      const reservedAt = performance.now();
      await until(`${left} are left`, () => heard.includes(`"available":${left}`));
      t.ok(performance.now() - reservedAt < 5_000, 'well before a heartbeat');
    }
  });

  await t.test('client addresses are limited apart, and none by what a client claims', async (t) => {
    const statuses: number[] = [];
    // The requests may fall into one second or several, in each of which ADDRESS_MAX pass.
    for (let wave = 0; wave < 20 && !statuses.includes(429); wave += 1) {
      const answers = await Promise.all(
        Array.from({ length: 3 * ADDRESS_MAX }, (_, index) =>
          ask('127.0.0.2', '/v1/sales/proxied', { 'x-forwarded-for': `192.0.2.${index}` }),
        ),
      );
      statuses.push(...answers.map(({ status }) => status));
      const other = await ask(`127.0.1.${wave + 1}`, '/v1/sales/proxied');
      t.equal(other.status, 200, 'the neighbour is not limited');
      t.match(other.headers['ratelimit'], `r=${ADDRESS_MAX - 1}`, 'the neighbour has all of its own limit');
    }
    t.ok(statuses.includes(429), 'a flood is limited, whatever addresses it claims');
  });
}
