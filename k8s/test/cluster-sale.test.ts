/**
 * Goal: the local overlay, as it is, runs on a real Kubernetes, sells through its Service as the contract
 * says, and goes on while it is updated, its pods are killed and its engines start again.
 * Method: a cluster of one node with the image of `npm run image` and engines of Debian and Maven Central;
 * `kubectl apply -k` with secrets of its own; a sale by hand, the demo's crowd, and a crowd without an end
 * under what befalls a cluster; both are judged from the engines' own contents (INV-1 to INV-6).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilWithin } from '@seckill/testing';
import t, { type Test } from 'tap';
import { cluster, startCluster } from './cluster.ts';
import type { CrowdOrder, CrowdVerdict } from './crowd-verdict.ts';
import { beside, call, kubectl, read, SECRETS, writeSecrets } from './local-overlay.ts';
import { copyManifests } from './render.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const CROWD = [
  '--conditions=seckill-source',
  '--import=./test/runner/register.js',
  'k8s/test/cluster-crowd.ts',
];
/** A pod of three kinds of work starts within this time on two cores that sell meanwhile. */
const AGAIN_MS = 180_000;
const until = untilWithin(AGAIN_MS);
/** So many more buyers are told 201 after each fault. */
const MORE = 20;

if (await startCluster(t, 'a sale on a cluster of one node')) {
  const copy = copyManifests();
  t.teardown(() => {
    copy.remove();
  });
  const begun = performance.now();
  const tell = (what: string): void => {
    t.comment(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s after the cluster was up`);
  };

  await t.test('every pod of the local overlay gets ready', async (t) => {
    const loaded = await cluster(['load']);
    t.equal(loaded.ok, true, loaded.stderr);
    tell('images loaded');
    writeSecrets(copy.folder);
    t.match(await kubectl('apply', '-k', join(copy.folder, 'overlays/local')), { ok: true });
    const wait = ['wait', '-n', 'seckill', '--timeout=600s'];
    for (const engine of ['redis', 'postgres', 'kafka'])
      t.match(
        await kubectl('rollout', 'status', '-n', 'seckill', `statefulset/${engine}`, '--timeout=600s'),
        {
          ok: true,
        },
      );
    for (const job of ['migrate', 'topics'])
      t.match(await kubectl(...wait, '--for=condition=Complete', `job/${job}`), { ok: true });
    t.match(await kubectl(...wait, '--for=condition=Available', 'deployment', '--all'), { ok: true });
    tell('every deployment available');
    t.comment((await kubectl('get', 'pods', '-n', 'seckill')).stdout);
  });

  await t.test('a sale is made, and units are reserved, paid and counted through the Service', async (t) => {
    const gateway = await read('service', 'gateway', '{.spec.clusterIP}');
    t.match(gateway, /^10\.96\./);
    const price = { amount: 1_990, currency: 'CNY' };
    const items = [{ sku: 'pear-2kg', title: 'Pears 2 kg', price, total: 3 }];
    const sale = { id: 'pears-3', title: 'Pears', closesAt: '2099-01-01T00:00:00Z', items };
    t.match(await call(gateway, '/v1/sales', 'operator', sale), { status: 201, body: { state: 'open' } });
    const lines = (quantity: number): object => ({ lines: [{ sku: 'pear-2kg', quantity }] });
    const first = await call(gateway, '/v1/sales/pears-3/reservations', 'u1', lines(2));
    t.match(first, { status: 201, body: { status: 'pending' } });
    const repeated = await call(gateway, '/v1/sales/pears-3/reservations', 'u1', lines(2));
    t.same(repeated.body, first.body, 'a repeat gets the first answer');
    const second = await call(gateway, '/v1/sales/pears-3/reservations', 'u2', lines(2));
    t.match(second, { status: 409, body: { code: 'sold_out', available: 1 } });
    const order = `/v1/orders/${String(first.body['id'])}`;
    t.match(await call(gateway, `${order}/pay`, 'u1', {}), { status: 200, body: { status: 'paid' } });
    t.match(await call(gateway, order, 'u1'), { status: 200, body: { status: 'paid' } });
    let counts: unknown;
    // The settlement reaches Redis through Kafka.
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const { body } = await call(gateway, '/v1/sales/pears-3', 'operator');
      counts = (body['items'] as object[])[0];
      if ((counts as { paid: number }).paid === 2) break;
    }
    t.match(counts, { total: 3, available: 1, held: 0, paid: 2 });
    tell('sold');
  });

  const folder = mkdtempSync(join(tmpdir(), 'seckill-cluster-crowd-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });

  /** Sends a crowd. @throws Error with what it said when it ended without a verdict. */
  async function send(stopFile?: string): Promise<CrowdVerdict> {
    const order: CrowdOrder = {
      gateway: `http://${await read('service', 'gateway', '{.spec.clusterIP}')}:8080`,
      redis: SECRETS.REDIS_URL,
      kafka: 'kafka:9092',
      postgres: SECRETS.DATABASE_URL,
      jwtSecret: SECRETS.JWT_SECRET,
      webhookSecret: SECRETS.WEBHOOK_SECRETS,
      seed: SEED,
      ...(stopFile === undefined ? {} : { stopFile }),
    };
    const { stdout, stderr } = await cluster(beside(folder, CROWD), [], JSON.stringify(order));
    const last = stdout.trim().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`the crowd gave no verdict: ${stdout}${stderr}`);
    return JSON.parse(last) as CrowdVerdict;
  }

  await t.test(`2,000 oranges and 1,000 mangoes are sold through the Service (seed ${SEED})`, async (t) => {
    // The crowd comes from one address and is a load on purpose.
    const limits = ['RATE_LIMIT_USER_MAX=1000000', 'RATE_LIMIT_ADDRESS_MAX=1000000'];
    t.match(await kubectl('set', 'env', '-n', 'seckill', 'deployment/gateway', ...limits), { ok: true });
    await rolledOut(t, 'gateway');
    const { findings, odd, figures } = await send();
    t.same([...findings, ...odd], [], 'every invariant holds');
    t.match(figures, { promised: Number, paid: 3_000 }, 'every unit was paid');
    t.comment(JSON.stringify(figures));
    tell('the crowd has gone');
  });

  await t.test(`a sale goes on whatever befalls the cluster (seed ${SEED})`, async (t) => {
    const stopFile = join(folder, 'stop');
    const verdict = send(stopFile);
    // Nobody waits for it before the faults are over.
    verdict.catch(() => undefined);
    const promised = (): number => {
      const file = `${stopFile}.promised`;
      return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    };
    const sellsOn = async (what: string): Promise<void> => {
      const wanted = promised() + MORE;
      await until(`${what}: ${MORE} more are sold`, async () => promised() >= wanted);
      tell(what);
    };
    await sellsOn('the rush is on');
    const names = (
      await kubectl('get', 'deployments', '-n', 'seckill', '-o', 'jsonpath={.items[*].metadata.name}')
    ).stdout.split(' ');
    t.ok(names.length > 8, names.join(' '));

    t.match(await kubectl('rollout', 'restart', '-n', 'seckill', 'deployment'), { ok: true });
    for (const name of names) await rolledOut(t, name);
    await sellsOn('all three services were updated, pod by pod');

    for (const name of names) {
      const pod = await podOf(name);
      t.match(await kubectl('delete', 'pod', pod, '-n', 'seckill', '--force', '--grace-period=0'), {
        ok: true,
      });
    }
    for (const name of names) await rolledOut(t, name);
    await sellsOn('a pod of each role was killed');

    t.match(await kubectl('cordon', 'seckill-node'), { ok: true });
    t.match(await kubectl('delete', 'pod', await podOf('gateway'), '-n', 'seckill'), { ok: true });
    await sellsOn('the node takes no pods, and one gateway is left');
    t.match(await kubectl('uncordon', 'seckill-node'), { ok: true });
    await rolledOut(t, 'gateway');

    for (const [pod, program] of [
      ['redis-0', 'valkey-server'],
      ['postgres-0', 'postgres'],
      ['kafka-0', 'java'],
    ] as const) {
      const restarts = () => read('pod', pod, '{.status.containerStatuses[0].restartCount}');
      const before = Number(await restarts());
      t.match(await cluster(['exec', 'pkill', '-KILL', '-x', program]), { ok: true }, program);
      await until(`${pod} starts again`, async () => Number(await restarts()) > before);
      t.match(
        await kubectl('wait', '-n', 'seckill', '--for=condition=Ready', `pod/${pod}`, '--timeout=180s'),
        {
          ok: true,
        },
      );
      await sellsOn(`${pod} was killed and started again in its place`);
    }

    writeFileSync(stopFile, '');
    const { findings, odd, figures } = await verdict;
    t.same([...findings, ...odd], [], 'every invariant holds, and every answer was one of the contract');
    t.ok((figures['keys'] ?? 0) > 0, `${figures['keys'] ?? 0} keys were answered with their first answers`);
    t.comment(JSON.stringify(figures));
    t.comment((await kubectl('get', 'pods', '-n', 'seckill')).stdout);
    tell('judged');
  });
}

async function rolledOut(t: Test, name: string): Promise<void> {
  const status = ['rollout', 'status', '-n', 'seckill', `deployment/${name}`, '--timeout=300s'];
  t.match(await kubectl(...status), { ok: true }, name);
}

/** @returns a pod of the deployment that is not on its way out. */
async function podOf(name: string): Promise<string> {
  for (;;) {
    const { stdout } = await kubectl('get', 'pods', '-n', 'seckill', '--no-headers', '-o', 'name');
    const pod = stdout.split('\n').find((line) => new RegExp(`^pod/${name}-[a-z0-9]+-[a-z0-9]+$`).test(line));
    if (pod !== undefined) return pod.slice('pod/'.length);
    await sleep(500);
  }
}
