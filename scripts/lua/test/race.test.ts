// Goal: however many requests race over however many connections, INV-1, INV-3, INV-4 and INV-6 hold, and
// when demand exceeds the total every unit is sold.
// Method: thousands of reserves at once, on eight sockets, each pipelined as stock's batches are.
import t, { type Test } from 'tap';
import type { ScriptAnswer } from '../../../services/stock/src/redis/scripts.ts';
import { buyerText, connect, openLane, TestLane, type Request } from './support/lane.ts';

const CONNECTIONS = 8;
const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(t)));

/** Sends request `n` on socket `n modulo 8`, and waits for no answer in between. */
async function race(lane: TestLane, requests: Request[]): Promise<ScriptAnswer[]> {
  const lanes = connections.map((redis) => lane.over(redis));
  return Promise.all(
    requests.map((request, index) =>
      (lanes[index % CONNECTIONS] ?? lane).reserve({ key: `k${index}`, ...request }),
    ),
  );
}

function tally(answers: ScriptAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [outcome] of answers) counts[String(outcome)] = (counts[String(outcome)] ?? 0) + 1;
  return counts;
}

async function conserves(t: Test, lane: TestLane, sku: string): Promise<void> {
  const [total = 0, available = 0, held = 0, paid = 0] = await lane.item(sku);
  t.equal(available + held + paid, total, 'INV-3');
  t.ok(available >= 0, 'INV-1');
}

await t.test(
  'four thousand buyers race for one thousand units of one SKU: exactly the total is sold',
  async (t) => {
    const lane = await openLane(t, { items: [{ sku: 'a', price: 1, total: 1_000 }] });
    const requests = Array.from({ length: 4_000 }, (_, index): Request => ({ user: `u${index}`, key: 'k' }));
    t.same(tally(await race(lane, requests)), { reserved: 1_000, sold_out: 3_000 });
    t.same(await lane.item('a'), [1_000, 0, 1_000, 0]);
    t.equal(await lane.redis.xlen(lane.keys.outbox), 1_000);
    t.equal(await lane.redis.hget(lane.keys.state, 'sequence'), '1000');
    t.equal(await lane.redis.hlen(lane.keys.holds), 1_000);
  },
);

await t.test(
  'three hundred buyers with ten racing tries each never exceed their limit (limit check)',
  async (t) => {
    const lane = await openLane(t, { limitPerBuyer: 2, items: [{ sku: 'a', price: 1, total: 10_000 }] });
    const requests = Array.from({ length: 3_000 }, (_, index): Request => {
      return { user: `u${index % 300}`, key: `k${index}`, lines: [['a', 1]] };
    });
    t.same(tally(await race(lane, requests)), { reserved: 600, limit_reached: 2_400 });
    const units = Object.values(await lane.redis.hgetall(lane.keys.buyers));
    t.same([...new Set(units)], [buyerText({ units: 2, holds: 2 })], 'INV-6');
    await conserves(t, lane, 'a');
  },
);

await t.test('racing channels sell their caps exactly', async (t) => {
  const channels = Array.from({ length: 10 }, (_, index) => ({ id: `c${index}`, cap: 30 }));
  const lane = await openLane(t, { channels, items: [{ sku: 'a', price: 1, total: 10_000 }] });
  const requests = Array.from({ length: 2_000 }, (_, index): Request => {
    return { user: `u${index}`, channel: `c${index % 10}`, lines: [['a', 1]] };
  });
  t.same(tally(await race(lane, requests)), { reserved: 300, channel_full: 1_700 });
  for (const { id } of channels) t.equal(await lane.redis.hget(lane.keys.state, `${id}:units`), '30');
});

await t.test(
  'a key that is sent five times at once takes one unit and gives one answer (key check)',
  async (t) => {
    const lane = await openLane(t, { items: [{ sku: 'a', price: 1, total: 1_000 }] });
    const requests = Array.from({ length: 2_000 }, (_, index): Request => {
      const buyer = Math.floor(index / 5);
      return { user: `u${buyer}`, key: 'k' };
    });
    const answers = await race(lane, requests);
    t.same(tally(answers), { reserved: 400, known: 1_600 });
    const records = new Set(answers.map(([, record]) => record));
    t.equal(records.size, 400, 'INV-4');
    t.same(await lane.item('a'), [1_000, 600, 400, 0]);
  },
);

await t.test('several lines, restocks, limits and caps at once keep every count', async (t) => {
  const items = (total: number) => [
    { sku: 'a', price: 1, total },
    { sku: 'b', price: 1, total: 400 },
  ];
  const lane = await openLane(t, { limitPerBuyer: 5, items: items(100), channels: [{ id: 'x', cap: 200 }] });
  const requests = Array.from({ length: 3_000 }, (_, index): Request => {
    const lines: Request['lines'] =
      index % 3 === 0
        ? [
            ['a', 1],
            ['b', 2],
          ]
        : [[index % 2 === 0 ? 'a' : 'b', 1]];
    return { user: `u${index % 200}`, channel: index % 4 === 0 ? 'x' : '', lines };
  });
  const restocks = [2, 3, 4, 5].map((version) =>
    lane.control({
      version,
      limitPerBuyer: 5,
      items: items(version * 100),
      channels: [{ id: 'x', cap: 200 }],
    }),
  );
  const [answers] = await Promise.all([race(lane, requests), ...restocks]);
  await conserves(t, lane, 'a');
  await conserves(t, lane, 'b');
  t.ok(Number(await lane.redis.hget(lane.keys.state, 'x:units')) <= 200);
  const buyers = Object.values(await lane.redis.hgetall(lane.keys.buyers));
  const units = buyers.map((text) => Number(text.split(' ')[0]));
  t.ok(Math.max(...units) <= 5);
  const [, , heldA = 0] = await lane.item('a');
  const [, , heldB = 0] = await lane.item('b');
  t.equal(
    units.reduce((sum, one) => sum + one, 0),
    heldA + heldB,
  );
  t.equal(tally(answers)['reserved'], await lane.redis.xlen(lane.keys.outbox));
});
