// Goal: 2,000 holds that end together are for sale again at once, while reservations go on (stock's share of
// INV-5).
// Method: as order's relay would, 2,000 settlements go to Kafka at once, on a lane that is busy with
// reservations of another item. Prints the figures. The 2 s of INV-5 are for the whole way, which
// test/invariants/ times; the settler may take half of them after Kafka has confirmed the last.
import { setTimeout as delay } from 'node:timers/promises';
import { TOPICS } from '@seckill/contracts';
import { connectProducer, makeTopic, valuesOf } from '@seckill/testing';
import t from 'tap';
import { build, item, until } from '../support/build.ts';
import { kafka } from '../support/kafka.ts';
import { openSale, publishSettled, reserveMany, settledMessage, startSettler } from '../support/settling.ts';

const HOLDS = 2_000;
/**
 * The load is that of four gateways, each with a call of 16 items every 25 ms or so: at most 2,500
 * reservations a second.
 */
const BATCH = 16;
const CALLERS = 4;
const PAUSE_MS = 25;
const SETTLER_MS_MAX = 1_000;

const producer = await connectProducer(t, kafka);
const built = await build(t);

await t.test("2,000 units are for sale again within a second of Kafka's word", async (t) => {
  const topic = await makeTopic(kafka, TOPICS.settlements.partitions);
  const items = [
    { sku: 'a', price: 2_990, total: HOLDS },
    { sku: 'b', price: 10, total: 1_000_000 },
  ];
  const saleId = await openSale(built, { items });
  const reservations = await reserveMany(built, saleId, HOLDS, 'a');
  t.match(await built.reserve(item(saleId)), [{ outcome: 'sold_out', available: 0, final: false }]);
  const { metrics } = await startSettler(t, built, { topic, producer });
  let isOver = false;
  let reserved = 0;
  const latencies: number[] = [];
  const caller = async (name: number): Promise<void> => {
    for (let call = 0; !isOver; call += 1) {
      const batch = Array.from({ length: BATCH }, (_, index) =>
        item(saleId, { userId: `${name}-${call}-${index}`, lines: [{ sku: 'b', quantity: 1 }] }),
      );
      const startedAt = performance.now();
      const answers = await built.reserve(...batch);
      latencies.push(performance.now() - startedAt);
      await delay(PAUSE_MS);
      reserved += answers.filter(({ outcome }) => outcome === 'reserved').length;
    }
  };
  const callers = Array.from({ length: CALLERS }, (_, name) => caller(name));
  await delay(200);
  const startedAt = performance.now();
  const messages = reservations.map((one) => settledMessage(one, 'expired'));
  for (let start = 0; start < HOLDS; start += 500) {
    await publishSettled(producer, topic, messages.slice(start, start + 500));
  }
  const publishedMs = Math.round(performance.now() - startedAt);
  const key = `seckill:{${saleId}:0}:state`;
  const available = async (): Promise<number> =>
    Number(await built.connection.redis.hget(key, 'a:available'));
  await until('all are back', async () => (await available()) === HOLDS);
  const ms = Math.round(performance.now() - startedAt);
  isOver = true;
  await Promise.all(callers);
  latencies.sort((left, right) => left - right);
  const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  t.comment(
    `${HOLDS} units: ${ms} ms until all were for sale (${publishedMs} ms of them to publish); meanwhile ${reserved} reservations, p99 ${Math.round(p99)} ms per call of ${BATCH}`,
  );
  t.ok(ms - publishedMs < SETTLER_MS_MAX, `${ms - publishedMs} ms after the last was confirmed`);
  t.equal((await valuesOf(metrics.settlements))['expired settled'], HOLDS);
  t.ok(reserved > 0);
  t.equal((await reserveMany(built, saleId, HOLDS, 'a')).length, HOLDS, 'and all of them can be bought');
});
