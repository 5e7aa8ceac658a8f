// Goal: late money takes the units of an expired hold again once, when units, limit and cap allow it; no
// settlement ends a hold that it does not name (INV-1, INV-3, INV-5, INV-6).
// Method: reservations on a real Redis, expired, taken again and settled in every order and number.
import t, { type Test } from 'tap';
import { parseRecord } from '../../../services/stock/src/redis/hold-record.ts';
import { keyHashOf } from '../../../services/stock/src/redis/reservation-id.ts';
import { buyerText, connect, FUTURE, openLane, PAST, suffixOf, type TestLane } from './support/lane.ts';

const redis = await connect(t);
const VERDICTS = ['paid', 'cancelled', 'expired', 'refused'] as const;

/** Makes an expired hold of two units of `a` (of three) and one of `b`. */
async function expiredHold(t: Test, control: Parameters<typeof openLane>[1] = {}) {
  const lane = await openLane(t, control, [], redis);
  const suffix = await lane.hold({
    user: 'u1',
    key: 'k',
    channel: 'x',
    lines: [
      ['a', 2],
      ['b', 1],
    ],
  });
  t.equal((await lane.settle(suffix, 'expired'))[0], 'settled');
  return { lane, suffix };
}

/** An outbox entry without its clock. */
async function unchanged(t: Test, lane: TestLane, work: () => Promise<unknown>, why: string): Promise<void> {
  const before = await lane.dump();
  await work();
  t.same(await lane.dump(), before, why);
}

await t.test('units, buyer, channel, outbox and sequence are as after a reservation', async (t) => {
  const { lane, suffix } = await expiredHold(t, { limitPerBuyer: 3 });
  t.equal(await lane.takeAgain(suffix), '1-2');
  t.same(
    [await lane.item('a'), await lane.item('b')],
    [
      [3, 1, 2, 0],
      [100, 99, 1, 0],
    ],
  );
  t.match(await redis.hget(lane.keys.buyers, 'u1'), /^3 0 1 \d{13}$/, 'the hold is counted once');
  t.equal(await redis.hget(lane.keys.state, 'x:units'), '3');
  t.match(await lane.place(), { sequence: 2 });
  const entries = await redis.xrange(lane.keys.outbox, '-', '+');
  t.same(
    entries.map(([id]) => id),
    ['1-1', '1-2'],
  );
  const [, record = '', at, instant] = entries[1]?.[1] ?? [];
  t.match([at, instant], ['at', /^\d{13}$/], 'when the units were taken again');
  t.match(parseRecord(record), { userId: 'u1', epoch: 1, sequence: 2, isRetake: true, channelId: 'x' });
  t.equal(await redis.hget(lane.keys.holds, keyHashOf('u1', 'k')), record);
  t.equal(await redis.hlen(lane.keys.keys), 0);
  t.equal((await lane.reserve({ user: 'u1', key: 'k' }))[0], 'known', 'INV-4');
  t.same(await lane.reserve({ user: 'u1' }), ['limit_reached', 3, 3, 1, ''], 'INV-6');
  await unchanged(
    t,
    lane,
    async () => {
      for (let repeat = 0; repeat < 3; repeat += 1) t.same(await lane.retake(suffix), ['repeated']);
    },
    'a repeat takes nothing',
  );
});

await t.test('a settlement ends only the hold that it names, however late and often it comes', async (t) => {
  for (const verdict of VERDICTS) {
    const { lane, suffix } = await expiredHold(t);
    const first = await lane.takeAgain(suffix);
    await unchanged(
      t,
      lane,
      async () => {
        for (const old of VERDICTS)
          t.same(await lane.settle(suffix, old), ['absent'], `${old} of the first hold`);
        t.same(await lane.settle(suffix, 'expired', '1-1'), ['absent']);
        t.same(await lane.settle(suffix, 'expired', '2-2'), ['absent'], 'of another epoch');
      },
      'INV-5',
    );
    t.equal((await lane.settle(suffix, verdict, first))[0], 'settled');
    await unchanged(
      t,
      lane,
      async () => {
        for (const again of VERDICTS) t.same(await lane.settle(suffix, again, first), ['absent']);
      },
      `${verdict} once`,
    );
    if (verdict !== 'expired') continue;
    const second = await lane.takeAgain(suffix);
    t.equal(second, '1-3', 'units that went back may be asked for again');
    t.same(await lane.settle(suffix, 'expired', first), ['absent'], 'the first retake is over');
    t.equal((await lane.settle(suffix, 'paid', second))[0], 'settled');
    t.same(await lane.item('a'), [3, 1, 0, 2]);
    t.same(await lane.retake(suffix), ['paid']);
  }
});

await t.test('paid: held → paid; refused: the units stay in held, the first hold still counts', async (t) => {
  const paid = await expiredHold(t);
  await paid.lane.settle(paid.suffix, 'paid', await paid.lane.takeAgain(paid.suffix));
  t.same(await paid.lane.item('a'), [3, 1, 0, 2]);
  t.match(await redis.hget(paid.lane.keys.buyers, 'u1'), /^3 3 1 /);
  t.equal(await redis.hget(paid.lane.keys.state, 'x:units_paid'), '3');
  const refused = await expiredHold(t);
  await refused.lane.settle(refused.suffix, 'refused', await refused.lane.takeAgain(refused.suffix));
  t.same(await refused.lane.item('a'), [3, 1, 2, 0]);
  t.match(await redis.hget(refused.lane.keys.buyers, 'u1'), /^0 0 1 /);
  t.equal((await refused.lane.inspect())[0], 'rebuilding', 'Redis sold what does not exist');
});

await t.test('a retake of units that cannot be had changes nothing', async (t) => {
  const short = await expiredHold(t);
  await short.lane.hold({ user: 'u2', lines: [['a', 2]] });
  await unchanged(
    t,
    short.lane,
    async () => {
      t.same(await short.lane.retake(short.suffix), ['sold_out'], 'all lines or none (INV-1)');
    },
    'sold out',
  );
  const limited = await expiredHold(t, { limitPerBuyer: 3 });
  await limited.lane.hold({ user: 'u1', lines: [['b', 1]] });
  await unchanged(
    t,
    limited.lane,
    async () => {
      t.same(await limited.lane.retake(limited.suffix), ['limit_reached'], 'INV-6');
    },
    'limit',
  );
  const capped = await expiredHold(t, { channels: [{ id: 'x', cap: 3 }] });
  await capped.lane.hold({ user: 'u2', channel: 'x', lines: [['b', 1]] });
  await unchanged(
    t,
    capped.lane,
    async () => {
      t.same(await capped.lane.retake(capped.suffix), ['channel_full'], 'INV-6');
    },
    'cap',
  );
  const full = await expiredHold(t);
  await unchanged(
    t,
    full.lane,
    async () => {
      t.same(await full.lane.retake(full.suffix, { outboxCountMax: 1 }), ['overloaded']);
      t.same(await full.lane.retake(full.suffix, { runId: 'another' }), ['sale_unavailable']);
      t.same(await full.lane.retake(suffixOf({ user: 'u1', key: 'k' })), ['not_expired'], 'a guessed id');
      t.same(await full.lane.retake(suffixOf({ user: 'u9', key: 'k' })), ['not_expired']);
    },
    'neither full nor another Redis nor a stranger',
  );
  await full.lane.close({ force: true });
  t.same(await full.lane.retake(full.suffix), ['sale_unavailable'], 'a closed gate');
});

await t.test('a hold that lives, was cancelled or paid is not taken again', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const live = await lane.hold({ user: 'u1' });
  await unchanged(t, lane, async () => t.same(await lane.retake(live), ['unsettled']), 'it still lives');
  for (const [verdict, word] of [
    ['cancelled', 'not_expired'],
    ['paid', 'paid'],
  ] as const) {
    const suffix = await lane.hold({ user: verdict });
    await lane.settle(suffix, verdict);
    await unchanged(t, lane, async () => t.same(await lane.retake(suffix), [word]), verdict);
  }
});

await t.test(
  'neither pause, close, window, cool-down nor number of holds matter: the buyer pays',
  async (t) => {
    const steps: Parameters<TestLane['control']>[0][] = [
      { state: 'paused' },
      { state: 'closed' },
      { opensAt: PAST, closesAt: PAST + 1 },
      { opensAt: FUTURE - 1 },
      { rejoinMs: 1_000_000, holdsPerBuyerMax: 1 },
    ];
    for (const [index, change] of steps.entries()) {
      const { lane, suffix } = await expiredHold(t);
      t.equal((await lane.control({ version: 2, ...change }))[0], 'applied');
      t.equal((await lane.reserve({ user: 'u1' }))[0] === 'reserved', false, 'nobody reserves');
      t.equal((await lane.retake(suffix))[0], 'retaken', String(index));
    }
  },
);

await t.test('a damaged lane fails closed, and nothing is written', async (t) => {
  const damages: ((lane: TestLane) => Promise<unknown>)[] = [
    (lane) => redis.hset(lane.keys.state, 'a:available', 'nan'),
    (lane) => redis.hset(lane.keys.state, 'a:held', '-1'),
    (lane) => redis.hset(lane.keys.state, 'x:units', ''),
    (lane) => redis.hset(lane.keys.state, 'limit', 'many'),
    (lane) => redis.hset(lane.keys.state, 'sequence', 'x'),
    (lane) => redis.hset(lane.keys.buyers, 'u1', '1'),
    (lane) => redis.hset(lane.keys.keys, keyHashOf('u1', 'k'), 'u1\nk'),
  ];
  for (const damage of damages) {
    const { lane, suffix } = await expiredHold(t);
    await damage(lane);
    await unchanged(
      t,
      lane,
      async () => t.rejects(lane.retake(suffix), /SECKILL_LANE_BROKEN/),
      'written nothing',
    );
  }
  const { lane, suffix } = await expiredHold(t);
  await redis.xadd(lane.keys.outbox, '9-1', 'record', 'x');
  await unchanged(t, lane, async () => t.rejects(lane.retake(suffix), /ID specified/), 'a rewound sequence');
  await t.rejects(
    redis.retake(Object.values(lane.keys).slice(0, 5), '', 1, '', ''),
    /SECKILL_RETAKE_ARGUMENTS/,
  );
});

await t.test(
  'a rebuild gives the state that paid money left, or none of a retake that nobody stored',
  async (t) => {
    const { lane, suffix } = await expiredHold(t);
    const retake = await lane.takeAgain(suffix);
    await lane.settle(suffix, 'paid', retake);
    const before = await Promise.all([
      lane.item('a'),
      lane.item('b'),
      redis.hget(lane.keys.state, 'x:units_paid'),
    ]);
    await lane.lease('test', 60_000);
    await lane.trim('test', '1-2');
    await lane.close({ force: true });
    const facts = { userId: 'u1', idempotencyKey: 'k', random: suffix.slice(0, 16), channelId: 'x' };
    const lines = [
      { sku: 'a', quantity: 2, price: 2_990 },
      { sku: 'b', quantity: 1, price: 10 },
    ];
    const paid = lane.order({ ...facts, lines, status: 'paid' });
    t.same(await lane.loadChunk({ epoch: 2, orders: [paid] }), ['loaded', 0]);
    t.same(
      await Promise.all([lane.item('a'), lane.item('b'), redis.hget(lane.keys.state, 'x:units_paid')]),
      before,
    );
    t.equal(await redis.hget(lane.keys.buyers, 'u1'), buyerText({ units: 3, paid: 3 }));
    t.same(await lane.settle(suffix, 'paid', retake), ['absent'], 'its settlement came after the load');
    await lane.close({ force: true });
    const expired = lane.order({ ...facts, lines, status: 'expired' });
    t.same(await lane.loadChunk({ epoch: 3, orders: [expired] }), ['loaded', 0]);
    t.same(await lane.item('a'), [3, 3, 0, 0]);
    t.same(await lane.open(3), ['opened']);
    t.equal(await lane.takeAgain(suffix), '3-1', 'asked again, under the new epoch');
    t.same(await lane.settle(suffix, 'expired', retake), ['absent'], 'what was lost with the old epoch');
  },
);
