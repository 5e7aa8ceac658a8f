// Goal: a hold ends once, and its units are where the verdict puts them, whatever state the lane is in
// (INV-3, INV-5).
// Method: reservations on a real Redis, settled in every order and number; broken lanes are made by hand.
import { parseReservationId } from '@seckill/contracts';
import t, { type Test } from 'tap';
import { parseRecord } from '../../../services/stock/src/redis/hold-record.ts';
import { keyHashOf } from '../../../services/stock/src/redis/reservation-id.ts';
import {
  buyerText,
  connect,
  makeLane,
  makeRandom,
  openLane,
  soldOut,
  suffixOf,
  type ControlPatch,
  type Request,
  type TestLane,
} from './support/lane.ts';

const redis = await connect(t);
const VERDICTS = ['paid', 'cancelled', 'expired', 'refused'] as const;
const BASKET: Request = {
  user: 'u1',
  key: 'k',
  channel: 'x',
  lines: [
    ['a', 1],
    ['b', 2],
  ],
};

const hold = (lane: TestLane, request: Request = BASKET): Promise<string> => lane.hold(request);
const keyHash = keyHashOf('u1', 'k');

const buyerUnits = async (lane: TestLane, user = 'u1'): Promise<string | undefined> =>
  (await lane.redis.hget(lane.keys.buyers, user))?.split(' ')[0];
const channelUnits = (lane: TestLane): Promise<string | null> => lane.redis.hget(lane.keys.state, 'x:units');

/** Settles the hold, and settles it again with every verdict. The repeats may change nothing. */
async function settleOnce(t: Test, lane: TestLane, suffix: string, verdict: string): Promise<void> {
  t.equal((await lane.settle(suffix, verdict))[0], 'settled');
  const after = await lane.dump();
  for (const again of VERDICTS) t.same(await lane.settle(suffix, again), ['absent'], `${again} comes later`);
  t.same(await lane.dump(), after, 'INV-5');
}

await t.test('paid moves the units from held to paid, and they go on counting', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 5 }, [], redis);
  await settleOnce(t, lane, await hold(lane), 'paid');
  t.same(await lane.item('a'), [3, 2, 0, 1]);
  t.same(await lane.item('b'), [100, 98, 0, 2]);
  t.same([await buyerUnits(lane), await channelUnits(lane)], ['3', '3'], 'INV-6');
  t.equal(await redis.hget(lane.keys.state, 'x:units_paid'), '3');
  t.equal(await redis.hget(lane.keys.buyers, 'u1'), buyerText({ units: 3, paid: 3 }));
  t.same(await lane.reserve({ lines: [['b', 3]] }), ['limit_reached', 5, 3, 0, '']);
});

for (const verdict of ['cancelled', 'expired'] as const) {
  await t.test(`${verdict} gives every line back, once, and frees limit and cap`, async (t) => {
    const control: ControlPatch = { limitPerBuyer: 3, channels: [{ id: 'x', cap: 3 }] };
    const lane = await openLane(t, control, [], redis);
    const suffix = await hold(lane);
    t.equal((await lane.reserve({ ...BASKET, key: 'k2' }))[0], 'limit_reached');
    t.equal((await lane.reserve({ ...BASKET, user: 'u2' }))[0], 'channel_full');
    await settleOnce(t, lane, suffix, verdict);
    t.same(await lane.item('a'), [3, 3, 0, 0]);
    t.same(await lane.item('b'), [100, 100, 0, 0]);
    t.same([await buyerUnits(lane), await channelUnits(lane)], ['0', '0']);
    t.equal(await lane.redis.hlen(lane.keys.holds), 0);
    t.equal((await lane.reserve({ ...BASKET, key: 'k2' }))[0], 'reserved', 'the same buyer, with a new key');
  });
}

await t.test('a hold with metadata ends like any other, and keeps it', async (t) => {
  for (const verdict of VERDICTS) {
    const lane = await openLane(t, {}, [], redis);
    const suffix = await hold(lane, { ...BASKET, extra: '{"metadata":{"table":"7"}}' });
    await settleOnce(t, lane, suffix, verdict);
    t.match(parseRecord((await redis.hget(lane.keys.keys, keyHash)) ?? ''), {
      ended: verdict,
      metadata: { table: '7' },
      lines: [{ sku: 'a' }, { sku: 'b' }],
    });
    if (verdict === 'expired') t.equal(await lane.takeAgain(suffix), '1-2', 'and is taken again with it');
  }
});

await t.test('refused returns nothing for sale; the units stay in held until the rebuild', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 3 }, [], redis);
  await settleOnce(t, lane, await hold(lane), 'refused');
  t.same(await lane.item('a'), [3, 2, 1, 0]);
  t.same(await lane.item('b'), [100, 98, 2, 0]);
  t.same([await buyerUnits(lane), await channelUnits(lane)], [undefined, '0']);
  t.equal(await lane.redis.hlen(lane.keys.holds), 0);
});

await t.test('refused closes the gate, for Redis sold what does not exist', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await hold(lane);
  const { fence } = await lane.place();
  await settleOnce(t, lane, suffix, 'refused');
  t.same(await lane.reserve({ user: 'u2' }), ['sale_unavailable', 0]);
  t.equal((await lane.place()).fence, fence + 1, 'no permission of before opens it');
});

await t.test('refused leaves a lane open that was loaded anew since the reservation', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.close({ force: true });
  const order = lane.order({ epoch: 1 });
  await lane.loadChunk({ epoch: 2, orders: [order] });
  await lane.open(2);
  await settleOnce(t, lane, parseReservationId(order.reservationId)?.suffix ?? '', 'refused');
  t.equal((await lane.reserve({ user: 'u2' }))[0], 'reserved');
});

await t.test('the first key of a settled hold keeps its answer, byte by byte (INV-4)', async (t) => {
  // The rebuild removes the key of a refused order, and the lane is closed until then.
  for (const verdict of VERDICTS.filter((one) => one !== 'refused')) {
    const lane = await openLane(t, {}, [], redis);
    const random = makeRandom();
    const [, first] = await lane.reserve({ ...BASKET, random });
    await lane.settle(suffixOf({ ...BASKET, random }), verdict);
    const before = await lane.dump();
    const [known, text] = await lane.reserve(BASKET);
    const { ended, ...record } = parseRecord(String(text));
    t.same([known, record, ended], ['known', parseRecord(String(first)), verdict]);
    t.equal(String(text).length, String(first).length, 'not a byte longer');
    t.same(await lane.dump(), before, 'no second unit');
    t.same(await redis.hgetall(lane.keys.keys), { [keyHash]: text });
    t.equal(await redis.exists(lane.keys.holds), 0, 'a record stands once');
  }
});

await t.test('of several holds of a buyer only the settled one is given back', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const first = await hold(lane);
  await hold(lane, { user: 'u1', key: 'k2', channel: 'x', lines: [['a', 1]] });
  await hold(lane, { user: 'u1:', key: '1', channel: 'x', lines: [['a', 1]] });
  await settleOnce(t, lane, first, 'expired');
  t.same(await lane.item('a'), [3, 1, 2, 0]);
  t.same([await buyerUnits(lane), await buyerUnits(lane, 'u1:'), await channelUnits(lane)], ['1', '1', '2']);
});

await t.test('a hold or a lane that Redis does not know is absent, and nothing is written', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await hold(lane);
  const before = await lane.dump();
  for (const verdict of VERDICTS)
    t.same(await lane.settle(suffixOf({ key: 'another' }), verdict), ['absent']);
  t.same(await lane.dump(), before);
  const missing = await makeLane(t, redis);
  t.same(await missing.settle(suffixOf(BASKET), 'expired'), ['absent']);
  t.same(await redis.exists(...Object.values(missing.keys)), 0);
});

await t.test('a settlement of another reservation under the same key is absent', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await hold(lane);
  const other = suffixOf({ ...BASKET, random: makeRandom() });
  t.equal(other.slice(16), suffix.slice(16), 'the same hash');
  const before = await lane.dump();
  // These are an id from before a loss of Redis, and an id of another length.
  for (const one of [other, suffix.slice(0, 16), `${suffix}a`, suffix.slice(0, -1), `a${suffix}`]) {
    for (const verdict of VERDICTS) t.same(await lane.settle(one, verdict), ['absent'], one);
  }
  t.same(await lane.dump(), before);
  await settleOnce(t, lane, suffix, 'paid');
});

await t.test('five deliveries at once over five connections act once', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const lanes = await Promise.all(Array.from({ length: 5 }, async () => lane.over(await connect(t))));
  for (let round = 0; round < 50; round += 1) {
    const suffix = await hold(lane, { ...BASKET, key: `k${round}` });
    const answers = await Promise.all(lanes.map((one) => one.settle(suffix, 'expired')));
    t.equal(answers.filter(([result]) => result === 'settled').length, 1);
    t.same(await lane.item('a'), [3, 3, 0, 0]);
  }
});

await t.test(
  'pause, close, rebuilding and a foreign Redis process do not keep a hold from ending',
  async (t) => {
    const ways: Record<string, (lane: TestLane) => Promise<unknown>> = {
      paused: (lane) => lane.control({ version: 2, state: 'paused' }),
      closed: (lane) => lane.control({ version: 2, state: 'closed' }),
      over: (lane) => lane.control({ version: 2, closesAt: 2 }),
      rebuilding: (lane) => lane.close({ force: true }),
      stale: (lane) => lane.redis.hset(lane.keys.state, 'run_id', 'of-an-earlier-process'),
      'of another epoch': (lane) => lane.redis.hset(lane.keys.state, 'epoch', 9),
    };
    for (const [name, prepare] of Object.entries(ways)) {
      const lane = await openLane(t, {}, [], redis);
      const suffix = await hold(lane);
      await prepare(lane);
      t.equal((await lane.settle(suffix, 'expired'))[0], 'settled', name);
      t.same(await lane.item('a'), [3, 3, 0, 0], name);
    }
  },
);

await t.test('a hold that came with a snapshot is settled like any other', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const orders = [
    lane.order({ channelId: 'x' }),
    lane.order({ userId: 'u2', status: 'paid' }),
    lane.order({ userId: 'u3', status: 'expired' }),
  ];
  await lane.loadChunk({ epoch: 3, orders });
  const [pending = '', paid = '', expired = ''] = orders.map(({ reservationId }) =>
    String(parseReservationId(reservationId)?.suffix),
  );
  t.same(await lane.settle(paid, 'expired'), ['absent'], 'what is paid has no hold');
  t.same(await lane.settle(expired, 'expired'), ['absent']);
  const [result, delayMs] = await lane.settle(pending, 'cancelled');
  t.equal(result, 'settled');
  const [seconds] = await redis.time();
  t.ok(Math.abs(Number(delayMs) - (Number(seconds) * 1_000 - 901_000)) < 5_000, 'since the end of the hold');
  t.same(await lane.item('a'), [3, 2, 0, 1]);
  t.same(await redis.hget(lane.keys.buyers, 'u2'), buyerText({ units: 1, paid: 1 }));
});

await t.test('sold out is final only while nothing is held, and ends when units return', async (t) => {
  const lane = await openLane(t, { items: [{ sku: 'a', price: 1, total: 2 }] }, [], redis);
  const one = await hold(lane, { user: 'u1', lines: [['a', 1]] });
  const two = await hold(lane, { user: 'u2', lines: [['a', 1]] });
  const ask = () => lane.reserve({ user: 'u3' });
  t.same(await ask(), soldOut('a', 0), 'held');
  await lane.settle(one, 'paid');
  t.same(await ask(), soldOut('a', 0), 'one of two is still held');
  await lane.settle(two, 'expired');
  t.same(
    await lane.reserve({ user: 'u3', lines: [['a', 2]] }),
    soldOut('a', 1, { mayComeBack: false }),
    'one is back',
  );
  const three = await hold(lane, { user: 'u3', lines: [['a', 1]] });
  await lane.settle(three, 'paid');
  t.same(await ask(), soldOut('a', 0, { isFinal: true }), 'final');
});

await t.test('counts that contradict the hold are an error, and nothing is written', async (t) => {
  const ways: Record<string, (lane: TestLane) => Promise<unknown>> = {
    'held is too low': (lane) => lane.redis.hset(lane.keys.state, 'b:held', 1),
    'no such item': (lane) => lane.redis.hdel(lane.keys.state, 'b:held'),
    'buyer is too low': (lane) => lane.redis.hset(lane.keys.buyers, 'u1', buyerText({ units: 2 })),
    'buyer has not held': (lane) =>
      lane.redis.hset(lane.keys.buyers, 'u1', buyerText({ units: 3, holds: 0 })),
    'half a buyer': (lane) => lane.redis.hset(lane.keys.buyers, 'u1', '3'),
    'no such buyer': (lane) => lane.redis.hdel(lane.keys.buyers, 'u1'),
    'channel is too low': (lane) => lane.redis.hset(lane.keys.state, 'x:units', 2),
    'no such channel': (lane) => lane.redis.hdel(lane.keys.state, 'x:units'),
    'channel has paid more': (lane) => lane.redis.hset(lane.keys.state, 'x:units_paid', 1),
    'no record': (lane) => lane.redis.hset(lane.keys.holds, keyHash, ''),
    'half a record': (lane) => lane.redis.hset(lane.keys.holds, keyHash, 'u1\nk\nrandom'),
    'half a line': async (lane) => {
      const record = (await lane.redis.hget(lane.keys.holds, keyHash)) ?? '';
      await lane.redis.hset(lane.keys.holds, keyHash, record.split('\n').slice(0, -2).join('\n'));
    },
  };
  for (const [name, breakIt] of Object.entries(ways)) {
    for (const verdict of VERDICTS) {
      const lane = await openLane(t, {}, [], redis);
      const suffix = await hold(lane);
      await breakIt(lane);
      const before = await lane.dump();
      await t.rejects(lane.settle(suffix, verdict), /^SECKILL_LANE_BROKEN /, `${name}: ${verdict}`);
      t.same(await lane.dump(), before, `${name}: ${verdict}`);
    }
  }
});

await t.test('a call without an id or with an unknown verdict is refused', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await hold(lane);
  const before = await lane.dump();
  await t.rejects(lane.settle('', 'paid'), /^SECKILL_SETTLE_ARGUMENTS/);
  for (const verdict of ['', 'pending', 'PAID']) {
    await t.rejects(lane.settle(suffix, verdict), /^SECKILL_SETTLE_ARGUMENTS/, verdict);
  }
  t.same(await lane.dump(), before);
});
