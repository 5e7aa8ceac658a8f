// Goal: a replica that lacks the tail may be promoted at any time, as another process and as the same one
// (whose run_id stays, only master_replid changes): it is not sold from before it was compared (INV-1), and
// what had left the outbox is kept (INV-2). Method: a second Redis replicates the first under a rush of
// buyers, its link is cut, it takes over.
import { startEngines } from '@seckill/stack';
import type { Redis } from 'ioredis';
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import {
  judgeRush,
  laneState,
  openSale,
  startRush,
  untilMore,
  untilOpen,
  untilStored,
} from '../support/aftermath.ts';
import { connectRedis, demote, freezeWrites } from '../support/redis.ts';
import { forwardTcp } from '@seckill/testing';
import { Rush } from '../support/rush.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const client = await buildStack(t, 'redis-promoted');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const second = await startEngines({ name: `redis-second-${process.pid}`, only: ['redis'] });
t.teardown(() => second.stop());
const primaryUrl = new URL(stack.info.redis);
const replicaUrl = new URL(second.redis);
const ownPassword = connectRedis(t, second.redis);
// The Redis that takes over is reached under the same address and password.
await ownPassword.config('SET', 'requirepass', primaryUrl.password);
replicaUrl.password = primaryUrl.password;
const primary = connectRedis(t, primaryUrl.href);
const replica = connectRedis(t, replicaUrl.href);

async function follow(one: Redis, { port }: URL): Promise<void> {
  await one.config('SET', 'masterauth', primaryUrl.password);
  await one.replicaof('127.0.0.1', Number(port));
  await untilCaughtUp(one);
}

async function untilCaughtUp(one: Redis): Promise<void> {
  const isCaughtUp = async () => (await one.info('replication')).includes('link_status:up');
  await until('the replica has caught up', isCaughtUp, 30_000);
}

// Without this setting a sync waits 5 s for more replicas.
for (const redis of [primary, replica]) await redis.config('SET', 'repl-diskless-sync-delay', '0');

await t.test(
  'another Redis process takes over without the tail, and later the old one comes back',
  async (t) => {
    const rush = await startRush({ client, engines, saleId: 'failover', random });
    await follow(replica, primaryUrl);
    const before = await laneState(client, 'failover');
    // From here on the replica follows an address where nobody listens, so it keeps what it has.
    await replica.replicaof('127.0.0.1', 1);
    await untilMore(rush, 60);
    const lost = await freezeWrites(primary, 'failover');
    await stack.engines.kill('redis');
    await replica.call('REPLICAOF', 'NO', 'ONE');
    const taken = await forwardTcp(t, replicaUrl.href, Number(primaryUrl.port));
    const promoted = await untilOpen(client, 'failover', before?.epoch);
    await untilMore(rush, 40);
    // The address leads back to the first one, which knows nothing of what the second has sold.
    for (const id of await freezeWrites(replica, 'failover')) lost.add(id);
    await taken.cut();
    await stack.engines.restart('redis');
    await replica.call('CLIENT', 'UNPAUSE');
    await untilOpen(client, 'failover', promoted.epoch);
    await untilMore(rush, 20);
    t.comment(`${lost.size} reservations stood in the outboxes`);
    await judgeRush(t, { client, engines, rush, lost });
  },
);

await t.test(
  'the same Redis process is promoted with the data of a replica that lacks the tail',
  async (t) => {
    await follow(replica, primaryUrl);
    const rush = await startRush({ client, engines, saleId: 'switch-back', random });
    const before = await laneState(client, 'switch-back');
    const runId = /run_id:\w+/.exec(await primary.info('server'))?.[0];
    await replica.call('REPLICAOF', 'NO', 'ONE');
    await untilMore(rush, 60);
    await primary.config('SET', 'masterauth', primaryUrl.password);
    const lost = await demote(primary, 'switch-back', Number(replicaUrl.port));
    await untilCaughtUp(primary);
    await primary.call('REPLICAOF', 'NO', 'ONE');
    t.equal(/run_id:\w+/.exec(await primary.info('server'))?.[0], runId, 'it is the same process');
    await untilOpen(client, 'switch-back', before?.epoch);
    await untilMore(rush, 20);
    t.comment(`${lost.size} reservations stood in the outbox`);
    await judgeRush(t, { client, engines, rush, lost });
  },
);

await t.test('a switch back so quick that nobody noticed it sells nothing of the stale data', async (t) => {
  const saleId = 'quick';
  await follow(replica, primaryUrl);
  await openSale(client, saleId);
  const rush = new Rush({ client, saleId, random, shoppers: 0, isIdle: true });
  const buyTen = () => Promise.all(Array.from({ length: 10 }, () => rush.buyOnce()));
  await buyTen();
  await replica.call('REPLICAOF', 'NO', 'ONE');
  await buyTen();
  await untilStored(engines, saleId);
  // The switch takes a few milliseconds in which nobody buys, so no command meets a replica.
  await primary.replicaof('127.0.0.1', Number(replicaUrl.port));
  await untilCaughtUp(primary);
  await primary.call('REPLICAOF', 'NO', 'ONE');
  await buyTen();
  await judgeRush(t, { client, engines, rush });
});
