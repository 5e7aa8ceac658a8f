/**
 * Goal: sales that nothing happens to cost next to nothing, and a change is noticed all the same.
 * Method: announcer, lane monitor and relay of one process on a Redis of the test's own, which counts its
 * commands; order is a stand-in, and nothing is to be published.
 */
import { createPublisher, createRegistry, systemClock } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t from 'tap';
import { ChangeFeed } from '../src/change-feed.ts';
import { laneKeys, scriptKeys } from '../src/redis/keys.ts';
import { listLanes } from '../src/redis/lane-registry.ts';
import { createRelayMetrics } from '../src/relay/metrics.ts';
import { createOutbox } from '../src/relay/outbox.ts';
import { createRelay } from '../src/relay/relay.ts';
import { build, item, makeGauges, startRedis, until } from './support/build.ts';

const SALES = 50;
const SECONDS = 4;

await t.test(
  'fifty idle sales ask for a few commands a second, and one that changes is seen at once',
  async (t) => {
    const engines = await startRedis(t);
    const changes: { feed?: ChangeFeed } = {};
    const built = await build(t, {
      redisUrl: engines.redis,
      onConnected: (connections) => (changes.feed = new ChangeFeed(connections, silent)),
    });
    const { connections, connection, announcer, monitor } = built;
    const { feed } = changes;
    if (feed === undefined) throw new Error('never happens: build connects');
    const sent: string[] = [];
    const metrics = createRelayMetrics(createRegistry());
    const gauges = makeGauges(built, metrics, 'one');
    const relay = createRelay({
      lanes: () => listLanes(connections),
      outbox: createOutbox(connections),
      publisher: createPublisher({
        send: async ({ messages }) => {
          for (const { key } of messages) sent.push(String(key));
          return Promise.reject(new Error('Kafka is not what this test is about'));
        },
      }),
      clock: systemClock,
      random: Math.random,
      logger: silent,
      metrics,
      gauges,
      changes: feed,
      token: 'one',
      leaseMs: 2_000,
      batchCountMax: 500,
      sweepMs: 60_000,
      chores: [],
      retire: async () => undefined,
      retireMs: 600_000,
    });
    const sales = Array.from({ length: SALES }, () => built.addSale());
    for (const sale of sales) await built.hand(sale);
    const stop = new AbortController();
    const running = [announcer, monitor, relay, feed].map((part) => part.run(stop.signal));
    // All of them have sold before, and sleep: what is told of them stays.
    for (const { saleId } of sales) {
      gauges.begin({ saleId, lane: 0 });
      gauges.sleep({ saleId, lane: 0 });
    }
    // The commands of the start are over by now.
    await systemClock.sleep(4_000);
    const count = async (): Promise<number> => {
      const stats = await connection.redis.info('commandstats');
      return [...stats.matchAll(/:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
    };
    const before = await count();
    await systemClock.sleep(1_000 * SECONDS);
    const perSecond = ((await count()) - before) / SECONDS;
    t.comment(`${perSecond} commands a second for ${SALES} idle sales`);
    t.ok(perSecond > 4, 'there are heartbeats, and the Redis is identified');
    t.ok(perSecond <= 40, `${perSecond}: no part asks for each sale`);
    t.equal((await metrics.units.get()).values.length, 4 * SALES, 'and each is told of');

    const [first, second] = sales;
    await built.reserve(item(first?.saleId ?? ''));
    await until('the relay has it', () => sent.length > 0, 1_000);
    const lane = { saleId: second?.saleId ?? '', lane: 0 };
    await connection.redis.close(scriptKeys('close', lane), connection.runId ?? '', '1');
    const gate = () => connection.redis.hget(laneKeys(lane).state, 'gate');
    await until('a lane that was closed is open again', async () => (await gate()) === 'open', 2_000);
    stop.abort();
    await connection.redis.del(laneKeys({ saleId: first?.saleId ?? '', lane: 0 }).outbox);
    await Promise.all(running);
  },
);
