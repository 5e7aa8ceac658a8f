/**
 * The whole stack as tests, demo and people use it: what it writes down, what reaches the services, how one
 * of them is killed, restarted or joined by a second, and that nothing of it remains.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { test } from 'tap';
import { readStack } from '../../src/info.ts';
import { signToken } from '../../src/services/jwt.ts';
import { folderOf } from '../../src/names.ts';
import { startStack } from '../../src/services/stack.ts';
import { cleanEnv, DIST, foldersOf, livingOf, start, treeOf, until, untilSays } from '../support.ts';

// The file starts three whole systems, one after the other.
t.setTimeout(600_000);

for (const variable of ['REDIS_URL', 'KAFKA_BROKERS', 'DATABASE_URL'])
  Reflect.deleteProperty(process.env, variable);

const DEMO = join(DIST, '../../../bench/dist/src/demo');

interface Session {
  gateway: string;
  token: string;
  expiresInSeconds: number;
}

const SERVICES = ['gateway', 'stock', 'order'] as const;

async function statusOf(url: string, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
  await response.arrayBuffer();
  return response.status;
}

await test('a stack is written down, serves, loses a service, and goes', async (t) => {
  const name = `stack-${process.pid}`;
  const docs = 'https://docs.example/of-this-test';
  // These variables are the caller's, who does not mean the stack by them.
  Object.assign(process.env, { WEBHOOK_SECRETS: '', JWT_SECRET_FILE: '/etc/hostname' });
  const stack = await startStack({ name, env: { DOCS_BASE_URL: docs } });
  for (const variable of ['WEBHOOK_SECRETS', 'JWT_SECRET_FILE'])
    Reflect.deleteProperty(process.env, variable);
  const tree = treeOf(process.pid).slice(1);
  let isStopped = false;
  t.teardown(async () => {
    if (!isStopped) await stack.stop();
  });
  const { info } = stack;

  await t.test('writes down for its user alone where everything is', async (t) => {
    const file = join(folderOf(name), 'stack.json');
    t.equal(statSync(file).mode & 0o777, 0o600);
    t.same(readStack(name), info);
    t.same(Object.keys(info.pids).sort(), ['gateway', 'kafka', 'order', 'postgres', 'redis', 'stock']);
    t.ok(/^whsec_[A-Za-z0-9+/]{43}=$/.test(info.webhookSecret), 'a webhook secret');
    t.ok(Buffer.from(info.jwtSecret, 'base64url').length >= 32);
    const secrets = [info.jwtSecret, info.gatewayToken, info.orderToken, info.stockToken, info.webhookSecret];
    t.equal(new Set(secrets).size, 5, 'each secret is its own');
    t.notOk(secrets.includes(''));
  });

  await t.test('is ready, and takes the tokens that its secret signs', async (t) => {
    for (const service of SERVICES) {
      t.equal(await statusOf(`${info[service]}/readyz`), 200);
      t.equal(await statusOf(info.metrics[service]), 200);
    }
    t.equal(await statusOf(`${info.gateway}/v1/orders`), 401);
    t.equal(
      await statusOf(`${info.gateway}/v1/orders`, await signToken(info.jwtSecret, { userId: 'u1' })),
      200,
    );
    const command = start(process.execPath, [
      join(DIST, 'commands/token.js'),
      '--name',
      name,
      '--user',
      'u2',
    ]);
    t.match(await command.exited, { code: 0 });
    t.equal(await statusOf(`${info.gateway}/v1/orders`, command.text().trim()), 200, 'npm run token');
  });

  await t.test('passes variables on to the services', async (t) => {
    const response = await fetch(`${info.gateway}/v1/orders`);
    t.match(await response.json(), { type: `${docs}/errors#unauthenticated` });
  });

  await t.test('a killed service comes back at its address', async (t) => {
    const before = info.pids['stock'];
    await stack.kill('stock');
    await t.rejects(statusOf(`${info.stock}/readyz`));
    t.notOk('stock' in readStack(name).pids);
    await stack.restart('stock');
    t.equal(await statusOf(`${info.stock}/readyz`), 200);
    t.not(readStack(name).pids['stock'], before);
  });

  await t.test('a second instance joins on ports of its own', async (t) => {
    const second = await stack.startProcess({ service: 'order', name: 'order-2', env: { ROLES: 'http' } });
    t.not(second.url, info.order);
    t.equal(await statusOf(`${second.url}/readyz`), 200);
    await t.rejects(stack.startProcess({ service: 'order', name: 'order-2' }), {
      code: 'SECKILL_STACK_SERVICE',
    });
    tree.push(second.child.pid);
  });

  await t.test(
    'a service that does not come up is reported with the tail of its log, and may be tried again',
    async (t) => {
      for (let attempt = 0; attempt < 2; attempt += 1) {
        await t.rejects(stack.startProcess({ service: 'order', name: 'bad', env: { ROLES: 'nonsense' } }), {
          code: 'SECKILL_STACK_SERVICE',
          message: /bad ended before it was ready; its log .*\n[^]*ROLES/,
        });
      }
      t.notOk('bad' in info.pids);
    },
  );

  await t.test('no log holds a secret', async (t) => {
    const secrets = [info.jwtSecret, info.gatewayToken, info.orderToken, info.stockToken, info.webhookSecret];
    for (const url of [info.redis, info.postgres]) secrets.push(new URL(url).password);
    const logs = readdirSync(folderOf(name)).filter((file) => file.endsWith('.log'));
    t.ok(logs.length >= 3);
    for (const log of logs) {
      const text = readFileSync(join(folderOf(name), log), 'utf8');
      t.notOk(
        secrets.some((secret) => text.includes(secret)),
        log,
      );
    }
  });

  await t.test('leaves neither process nor folder nor name', async (t) => {
    tree.push(...treeOf(process.pid).slice(1));
    await stack.stop();
    isStopped = true;
    const left = livingOf(Object.values(info.pids));
    t.same(left, []);
    await until('guards are gone', () => livingOf(tree).every((line) => !line.includes(name)), 5_000);
    t.same(foldersOf(name), []);
    t.notOk(existsSync(join(folderOf(name), 'stack.json')));
    t.throws(() => readStack(name), { code: 'SECKILL_STACK_NOT_RUNNING' });
  });
});

await test('npm start says where everything is, and starts again whatever dies', async (t) => {
  const name = `start-${process.pid}`;
  const blocker = createServer();
  // Another process may have the port already, which serves this test just as well.
  blocker.on('error', () => undefined);
  await new Promise((resolve) => {
    blocker.once('close', resolve).once('listening', resolve).once('error', resolve);
    blocker.listen({ host: '127.0.0.1', port: 8080 });
  });
  t.teardown(() => blocker.close());
  const ran = start(process.execPath, [join(DIST, 'commands/start.js'), '--name', name], cleanEnv());
  t.teardown(() => ran.child.kill('SIGKILL'));
  await untilSays(ran, 'Ctrl-C stops', 180_000);
  const info = readStack(name);
  t.not(new URL(info.gateway).port, '8080');
  t.match(ran.text(), new RegExp(`port 8080 is taken \\(.+\\): the gateway listens on ${info.gateway}\n`));
  t.match(ran.text(), `GATEWAY=${info.gateway}`);
  t.notOk(ran.text().includes(info.jwtSecret), 'the secret is not printed');
  const [, storefront = ''] = /storefront {2}(http:\S+)/.exec(ran.text()) ?? [];
  await t.test('the storefront signs a made-up buyer in, who stays the same', async (t) => {
    t.equal(await statusOf(storefront), 200);
    const signIn = async (cookie = ''): Promise<{ session: Session; cookie: string }> => {
      const answer = await fetch(`${storefront}/session`, { method: 'POST', headers: { cookie } });
      return { session: (await answer.json()) as Session, cookie: answer.headers.get('set-cookie') ?? '' };
    };
    const { session, cookie } = await signIn();
    t.match(session, { gateway: info.gateway, expiresInSeconds: 900 });
    t.equal(await statusOf(`${info.gateway}/v1/orders`, session.token), 200);
    t.match(cookie, /^seckill_demo_buyer=demo-[0-9a-f]{16}; HttpOnly; SameSite=Strict;/);
    const subject = ({ token }: Session): unknown =>
      (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub?: unknown }).sub;
    t.equal(subject((await signIn(cookie.split(';')[0])).session), subject(session));
    t.not(subject((await signIn('seckill_demo_buyer=operator')).session), 'operator');
    t.equal(await statusOf(`${storefront}/session`), 404, 'a picture of another site cannot ask');
    const listed = await fetch(`${info.gateway}/v1/sales`, { headers: { origin: storefront } });
    t.equal(listed.headers.get('access-control-allow-origin'), storefront);
    t.match(await listed.json(), { data: [{}, {}, { state: 'scheduled' }] });
  });
  await t.test('the console answers at the address that was printed', async (t) => {
    const [, address = ''] = /console {2}(http:\S+) /.exec(ran.text()) ?? [];
    t.equal(address, `${info.gateway}/console`);
    const page = await (await fetch(address)).text();
    const files = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path);
    t.equal(files.length, 2, 'a script and a style');
    for (const path of files) t.equal(await statusOf(`${info.gateway}${path}`), 200, path);
    // What the printed command makes lets an operator in.
    const args = [join(DIST, 'commands/token.js'), '--name', name, '--user', 'you', '--admin'];
    const made = start(process.execPath, args, cleanEnv());
    await made.exited;
    t.equal(await statusOf(`${info.gateway}/v1/notices`, made.text().trim()), 200);
  });
  for (const one of ['order', 'gateway', 'redis']) {
    process.kill(info.pids[one] ?? 0, 'SIGKILL');
    await untilSays(ran, `${one} ended by itself (SIGKILL): starting it again in 0.5 s`);
    await untilSays(ran, `${one} runs again`);
    await until(`${one} has a new pid`, () => (readStack(name).pids[one] ?? 0) !== info.pids[one]);
  }
  for (const service of SERVICES) t.equal(await statusOf(`${info[service]}/readyz`), 200, service);
  const tree = treeOf(ran.pid);

  // A second stack of the same name does not disturb the first, and whoever asks for another name hears of
  // this one.
  const token = start(
    process.execPath,
    [join(DIST, 'commands/token.js'), '--name', 'no-such', '--user', 'u'],
    cleanEnv(),
  );
  t.match(await token.exited, { code: 1 });
  t.match(token.text(), new RegExp(`no stack named "no-such" is running \\(running: .*${name}`));

  process.kill(ran.pid, 'SIGINT');
  t.match(await ran.exited, { code: 130 });
  t.same(livingOf(tree), []);
  t.same(foldersOf(name), []);
});

await test('a demo that is kept ends when one of its processes dies, and says which', async (t) => {
  const name = `demo-${process.pid}`;
  const args = [join(DEMO, 'demo.js'), '--keep', '--buyers', '20', '--name', name];
  const ran = start(process.execPath, args, cleanEnv());
  t.teardown(() => ran.child.kill('SIGKILL'));
  await untilSays(ran, 'still running at', 180_000);
  const tree = treeOf(ran.pid);
  process.kill(readStack(name).pids['gateway'] ?? 0, 'SIGKILL');
  t.match(await ran.exited, { code: 1 });
  t.match(ran.text(), /gateway ended by itself \(SIGKILL\); see \S+gateway\.log\n\nStopping everything/);
  t.same(livingOf(tree), []);
});

await test('a token for a stack that was killed is refused', async (t) => {
  const name = `gone-${process.pid}`;
  const folder = folderOf(name);
  mkdirSync(folder, { recursive: true });
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const { pid } = spawnSync('true');
  writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid, started: 'then' }));
  writeFileSync(join(folder, 'stack.json'), JSON.stringify({ jwtSecret: 'a'.repeat(43) }));
  const token = start(
    process.execPath,
    [join(DIST, 'commands/token.js'), '--name', name, '--user', 'u'],
    cleanEnv(),
  );
  t.match(await token.exited, { code: 1 });
  t.match(
    token.text(),
    new RegExp(`^no stack named "${name}" is running[^\n]*; start one with npm start\n$`),
  );
});
