// Goal: units of a paid order come back once, to the sale or to nobody, and stop counting against limit and
// cap, however often and in whatever order the settlements come (INV-1, INV-3, INV-5, INV-6).
// Method: paid reservations on a real Redis, given back in every order and number; broken lanes are made by
// hand.
import t from 'tap';
import { buyerText, connect, openLane, type Request, type TestLane } from './support/lane.ts';

const redis = await connect(t);
const BASKET: Request = {
  user: 'u1',
  key: 'k',
  channel: 'x',
  lines: [
    ['a', 2],
    ['b', 3],
  ],
};

async function buy(lane: TestLane, request: Request = BASKET): Promise<string> {
  const suffix = await lane.hold(request);
  await lane.settle(suffix, 'paid');
  return suffix;
}

const counts = async (lane: TestLane) => ({
  a: await lane.item('a'),
  b: await lane.item('b'),
  buyer: await redis.hget(lane.keys.buyers, 'u1'),
  channel: await redis.hmget(lane.keys.state, 'x:units', 'x:units_paid'),
});

await t.test(
  'units for sale again leave paid, units written off stay there; neither counts any more',
  async (t) => {
    const lane = await openLane(t, { limitPerBuyer: 5, channels: [{ id: 'x', cap: 5 }] }, [], redis);
    const suffix = await buy(lane);
    t.equal((await lane.reserve({ ...BASKET, key: 'k2', lines: [['a', 1]] }))[0], 'limit_reached');
    t.same(await lane.giveBack(suffix, 1, { a: [1, 1] }), ['returned', 1]);
    t.same(await counts(lane), {
      a: [3, 2, 0, 1],
      b: [100, 97, 0, 3],
      buyer: buyerText({ units: 4, paid: 4 }),
      channel: ['4', '4'],
    });
    t.same(await lane.giveBack(suffix, 2, { a: [1, 1], b: [3, 0] }), ['returned', 0]);
    t.same(await counts(lane), {
      a: [3, 2, 0, 1],
      b: [100, 97, 0, 3],
      buyer: buyerText({ units: 1, paid: 1 }),
      channel: ['1', '1'],
    });
    t.equal((await lane.reserve({ ...BASKET, key: 'k2', lines: [['a', 2]] }))[0], 'reserved', 'INV-6');
  },
);

await t.test('a repeat changes nothing, and neither does an earlier return that comes late', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await buy(lane);
  t.same(await lane.giveBack(suffix, 3, { a: [2, 2], b: [1, 0] }), ['returned', 2]);
  const after = await lane.dump();
  t.same(await lane.giveBack(suffix, 3, { a: [2, 2], b: [1, 0] }), ['current']);
  t.same(await lane.giveBack(suffix, 1, { a: [1, 1] }), ['current']);
  t.same(await lane.settle(suffix, 'paid'), ['absent']);
  t.same(await lane.dump(), after, 'INV-5');
});

await t.test('an order that is not paid in this lane gives nothing back', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const live = await lane.hold(BASKET);
  const ended = await lane.hold({ ...BASKET, key: 'k2', lines: [['b', 1]] });
  await lane.settle(ended, 'cancelled');
  const before = await lane.dump();
  t.same(await lane.giveBack(live, 1, { a: [1, 1] }), ['absent']);
  t.same(await lane.giveBack(ended, 1, { b: [1, 1] }), ['absent']);
  t.same(await lane.giveBack(`${'x'.repeat(16)}${live.slice(16)}`, 1, { a: [1, 1] }), ['absent']);
  t.same(await lane.dump(), before);
});

await t.test('a return that contradicts the counts is refused as a whole', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const suffix = await buy(lane);
  t.same(await lane.giveBack(suffix, 1, { b: [2, 1] }), ['returned', 1]);
  for (const [name, number, lines] of [
    ['more than was bought', 2, { a: [3, 0], b: [2, 1] }],
    ['less than before', 2, { b: [1, 1] }],
    ['a line of before is missing', 2, { a: [1, 1] }],
    ['an item of no line', 2, { b: [2, 1], zz: [1, 1] }],
  ] as const) {
    const before = await lane.dump();
    await t.rejects(
      lane.giveBack(suffix, number, lines as unknown as Record<string, [number, number]>),
      /SECKILL_LANE_BROKEN/,
      name,
    );
    t.same(await lane.dump(), before, name);
  }
  await t.rejects(lane.giveBack(suffix, 2, { a: [1, 2] }), /SECKILL_RETURN_ARGUMENTS/);
  await redis.hset(lane.keys.state, 'a:paid', 0);
  await t.rejects(lane.giveBack(suffix, 2, { a: [1, 1], b: [2, 1] }), /counts of an item/);
});

await t.test('a snapshot has what came back, and later returns go on from there', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 5 }, [], redis);
  const suffix = await buy(lane);
  await lane.giveBack(suffix, 1, { a: [1, 1], b: [1, 0] });
  const before = await counts(lane);
  await lane.trimAll();
  await lane.close({ force: true });
  const order = lane.order({
    userId: 'u1',
    idempotencyKey: 'k',
    random: suffix.slice(0, 16),
    status: 'paid',
    channelId: 'x',
    lines: [
      { sku: 'a', quantity: 2, price: 2_990 },
      { sku: 'b', quantity: 3, price: 10 },
    ],
    returned: {
      number: 1,
      lines: [
        { sku: 'a', returned: 1, restocked: 1 },
        { sku: 'b', returned: 1, restocked: 0 },
      ],
    },
  });
  t.same(await lane.loadChunk({ epoch: 2, control: { limitPerBuyer: 5 }, orders: [order] }), ['loaded', 0]);
  t.same(await counts(lane), before);
  t.same(await lane.giveBack(suffix, 1, { a: [1, 1], b: [1, 0] }), ['current']);
  t.same(await lane.giveBack(suffix, 2, { a: [2, 2], b: [1, 0] }), ['returned', 1]);
  const wrong = { ...order, returned: { number: 1, lines: [{ sku: 'a', returned: 9, restocked: 9 }] } };
  await lane.close({ force: true });
  await t.rejects(lane.loadChunk({ epoch: 3, orders: [wrong] }), /SECKILL_LOAD_RETURNED/);
});
