// Goal: a buyer whose holds ended hears the truth: how many holds a buyer may take, how long a buyer waits
// after one that ended unpaid, and whether "no" may become "yes". The same is true after the lane was loaded
// anew.
// Method: one lane per test on a real Redis; the ends come from settle.lua and from snapshots.
import t, { type Test } from 'tap';
import {
  connect,
  makeLane,
  openLane,
  soldOut,
  type ControlPatch,
  type Request,
  type TestLane,
} from './support/lane.ts';

const redis = await connect(t);
const MINUTE = 60_000;

async function now(): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

async function outcome(lane: TestLane, request: Request = {}): Promise<unknown> {
  return (await lane.reserve({ lines: [['b', 1]], ...request }))[0];
}

/** Reserves, and ends the hold with this verdict. */
async function goRound(lane: TestLane, verdict: string): Promise<void> {
  t.equal((await lane.settle(await lane.hold({ lines: [['b', 1]] }), verdict))[0], 'settled');
}

await t.test('a buyer takes so many holds in a sale, whatever becomes of them', async (t) => {
  const lane = await openLane(t, { holdsPerBuyerMax: 3, limitPerBuyer: 1 }, [], redis);
  await goRound(lane, 'cancelled');
  await goRound(lane, 'expired');
  await goRound(lane, 'cancelled');
  t.same(await lane.reserve({ lines: [['b', 1]] }), ['holds_exceeded', 3]);
  t.equal(await outcome(lane, { user: 'u2' }), 'reserved', 'others are not concerned');
  await lane.control({ version: 2, holdsPerBuyerMax: 5, limitPerBuyer: 9 });
  await goRound(lane, 'paid');
  t.equal(await outcome(lane), 'reserved');
  t.same(await lane.reserve(), ['holds_exceeded', 5], 'what is held and what is paid counts');
  await lane.control({ version: 3 });
  t.equal(await outcome(lane), 'reserved', 'without a bound there is none');
});

await t.test('a batch counts the holds that it gives', async (t) => {
  const lane = await openLane(t, { holdsPerBuyerMax: 2 }, [], redis);
  const answers = await lane.reserveAll(Array.from({ length: 4 }, (): Request => ({ lines: [['b', 1]] })));
  const names = answers.map((answer) => (Array.isArray(answer) ? answer[0] : answer));
  t.same(names, ['reserved', 'reserved', 'holds_exceeded', 'holds_exceeded']);
});

await t.test('a refused hold never was one', async (t) => {
  const lane = await openLane(t, { holdsPerBuyerMax: 1 }, [], redis);
  const order = lane.order({ epoch: 1 });
  await lane.close({ force: true });
  await lane.loadChunk({ epoch: 2, control: { holdsPerBuyerMax: 1 }, orders: [order] });
  await lane.open(2);
  t.equal(await outcome(lane), 'holds_exceeded');
  await lane.settle(order.reservationId.slice(-38), 'refused');
  t.equal(await outcome(lane), 'reserved');
});

for (const verdict of ['cancelled', 'expired'] as const) {
  await t.test(`after a hold that was ${verdict} the buyer waits, and nobody else`, async (t) => {
    const control: ControlPatch = { rejoinMs: MINUTE, holdMs: 1_000 };
    const lane = await openLane(t, control, [], redis);
    const before = await now();
    await goRound(lane, verdict);
    const [name, waitMs] = await lane.reserve({ lines: [['b', 1]] });
    t.equal(name, 'rejoin_later');
    // The hold lasts a second. Such a hold ended a second after it was made, however early Redis was told.
    const latest = before + MINUTE + (verdict === 'expired' ? 1_000 : 0) + 500 - (await now());
    t.ok(Number(waitMs) <= latest && Number(waitMs) > latest - 2_000, `${waitMs} of at most ${latest} ms`);
    t.equal(await outcome(lane, { user: 'u2' }), 'reserved');
    await lane.control({ version: 2 });
    t.equal(await outcome(lane), 'reserved', 'without a cool-down there is none');
  });
}

await t.test('a paid hold has no cool-down, and a cool-down that is over is over', async (t) => {
  const lane = await openLane(t, { rejoinMs: MINUTE }, [], redis);
  await goRound(lane, 'paid');
  t.equal(await outcome(lane), 'reserved');
  const short = await openLane(t, { rejoinMs: 50 }, [], redis);
  await goRound(short, 'cancelled');
  await new Promise((resolve) => setTimeout(resolve, 80));
  t.equal(await outcome(short), 'reserved');
});

await t.test('a rebuild keeps the number of holds and the instant of the last unpaid end', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const control: ControlPatch = { holdsPerBuyerMax: 2, rejoinMs: MINUTE };
  const at = await now();
  const end = (userId: string, status: 'cancelled' | 'expired', endedAt: number) =>
    lane.order({ userId, status, endedAt, expiresAt: status === 'expired' ? endedAt : 901_000 });
  const orders = [
    end('often', 'cancelled', 1_000),
    end('early', 'cancelled', at - 2 * MINUTE),
    end('late', 'cancelled', at - MINUTE / 2),
    end('expired', 'expired', at - MINUTE / 2),
    lane.order({ userId: 'paid', status: 'paid' }),
  ];
  const others = [
    end('late', 'cancelled', 1_000),
    lane.order({ userId: 'often', status: 'paid' }),
    lane.order({ userId: 'twice' }),
    lane.order({ userId: 'twice' }),
  ].map((order) => ({ ...order, lines: [{ sku: 'b', quantity: 1, price: 10 }] }));
  await lane.loadChunk({ epoch: 1, isLast: false, control, orders });
  t.same(await lane.loadChunk({ epoch: 1, chunk: 1, orders: others }), ['loaded', 1]);
  await lane.open(1);
  const expected = { often: 'holds_exceeded', twice: 'holds_exceeded', early: 'reserved', paid: 'reserved' };
  for (const [user, name] of Object.entries(expected)) t.equal(await outcome(lane, { user }), name, user);
  await lane.control({ version: 2, rejoinMs: MINUTE });
  for (const user of ['late', 'expired']) {
    const [name, waitMs] = await lane.reserve({ user, lines: [['b', 1]] });
    t.equal(name, 'rejoin_later', user);
    t.ok(Number(waitMs) > MINUTE / 2 - 5_000 && Number(waitMs) <= MINUTE / 2, `${waitMs} ms are left`);
  }
  t.equal(await outcome(lane, { user: 'often' }), 'reserved', 'its end is long ago');
});

/** The last element of the answer, or the fifth of a "sold out", says whether it may change. */
async function mayRepeat(t: Test, lane: TestLane, request: Request, expected: unknown[]): Promise<void> {
  t.same(await lane.reserve(request), expected, JSON.stringify(request));
}

await t.test('"limit reached" is for good only when what is paid is in the way', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 3, holdsPerBuyerMax: 4 }, [], redis);
  const ask = (quantity: number): Request => ({ lines: [['b', quantity]] });
  await mayRepeat(t, lane, ask(4), ['limit_reached', 3, 0, 0, '']);
  const first = await lane.hold(ask(2));
  await mayRepeat(t, lane, ask(2), ['limit_reached', 3, 2, 1, '']);
  await lane.settle(first, 'paid');
  await mayRepeat(t, lane, ask(2), ['limit_reached', 3, 2, 0, '']);
  const second = await lane.hold(ask(1));
  await mayRepeat(t, lane, ask(1), ['limit_reached', 3, 3, 1, '']);
  await lane.settle(second, 'cancelled');
  await lane.hold(ask(1));
  await lane.control({ version: 2, limitPerBuyer: 3, holdsPerBuyerMax: 3 });
  await mayRepeat(t, lane, ask(1), ['limit_reached', 3, 3, 0, '']);
});

await t.test('"channel full" is for good only when what is paid is in the way', async (t) => {
  const lane = await openLane(t, { channels: [{ id: 'x', cap: 2 }], limitPerBuyer: 1 }, [], redis);
  const ask = (user: string, quantity = 1): Request => ({ user, channel: 'x', lines: [['b', quantity]] });
  const first = await lane.hold(ask('u1'));
  const second = await lane.hold(ask('u2'));
  await mayRepeat(t, lane, ask('u3'), ['channel_full', 2, 1]);
  await lane.settle(first, 'paid');
  await mayRepeat(t, lane, ask('u3'), ['channel_full', 2, 1]);
  await lane.settle(second, 'paid');
  await mayRepeat(t, lane, ask('u3'), ['channel_full', 2, 0]);
  const full = { ...ask('u2'), lines: [['b', 1]] } satisfies Request;
  await mayRepeat(t, lane, full, ['limit_reached', 1, 1, 0, '']);
});

await t.test('"item paused" is for good when the units can never be had', async (t) => {
  const items = [
    { sku: 'a', price: 1, total: 3, paused: true as const },
    { sku: 'b', price: 1, total: 9 },
  ];
  const lane = await openLane(t, { items, limitPerBuyer: 4 }, [], redis);
  const ask = (user: string, quantity: number, b?: number): Request => ({
    user,
    lines:
      b === undefined
        ? [['a', quantity]]
        : [...(quantity > 0 ? [['a', quantity] as [string, number]] : []), ['b', b]],
  });
  const paused = ['a', 'item_paused', 3];
  await mayRepeat(t, lane, ask('u', 3), ['item_paused', 'a', 1, ...paused]);
  await mayRepeat(t, lane, ask('u', 4), ['item_paused', 'a', 0, ...paused]);
  await mayRepeat(t, lane, ask('u', 3, 2), ['item_paused', 'a', 0, ...paused]);
  const own = await lane.hold(ask('u', 0, 2));
  await mayRepeat(t, lane, ask('u', 3), ['item_paused', 'a', 1, ...paused]);
  await lane.settle(own, 'paid');
  await mayRepeat(t, lane, ask('u', 3), ['item_paused', 'a', 0, ...paused]);
});

await t.test('"sold out" is for good for a buyer, or a channel, that has paid all it may have', async (t) => {
  const control: ControlPatch = {
    items: [
      { sku: 'a', price: 1, total: 2 },
      { sku: 'b', price: 1, total: 9, limitPerBuyer: 2 },
    ],
    channels: [{ id: 'x', cap: 1 }],
    limitPerBuyer: 3,
    holdsPerBuyerMax: 3,
  };
  const lane = await openLane(t, control, [], redis);
  await lane.hold({ user: 'other', lines: [['a', 2]] });
  const ask: Request = { lines: [['a', 1]] };
  const never = soldOut('a', 0, { mayComeBack: false });
  await lane.settle(await lane.hold({ lines: [['b', 1]], channel: 'x' }), 'paid');
  await mayRepeat(t, lane, ask, soldOut('a', 0));
  await mayRepeat(t, lane, { ...ask, channel: 'x', user: 'v' }, never);
  const mixed: Request['lines'] = [
    ['a', 1],
    ['b', 2],
  ];
  await mayRepeat(t, lane, { lines: mixed }, never);
  await mayRepeat(t, lane, { lines: mixed, user: 'v' }, soldOut('a', 0));
  const second = await lane.hold({ lines: [['b', 1]] });
  await mayRepeat(t, lane, { lines: [['a', 2]] }, soldOut('a', 0));
  await lane.settle(second, 'paid');
  await mayRepeat(t, lane, { lines: [['a', 2]] }, never);
  await mayRepeat(t, lane, ask, soldOut('a', 0));
  await lane.control({ ...control, version: 2, holdsPerBuyerMax: 2 });
  await mayRepeat(t, lane, ask, never);
});

await t.test('a kit is sold out for good when one of its parts is', async (t) => {
  const parts = [
    { sku: 'a', quantity: 1 },
    { sku: 'b', quantity: 2 },
  ];
  const control: ControlPatch = {
    items: [
      { sku: 'a', price: 1, total: 0 },
      { sku: 'b', price: 1, total: 3 },
    ],
    kits: [{ sku: 'kit', price: 5, parts }],
  };
  const lane = await openLane(t, control, [], redis);
  const ask = (quantity: number): Request => ({ user: 'v', lines: [['kit', quantity]] });
  const never = soldOut('kit', 0, { mayComeBack: false });
  await mayRepeat(t, lane, ask(1), soldOut('kit', 0));
  await mayRepeat(t, lane, ask(2), never);
  const basket: Request['lines'] = [
    ['kit', 1],
    ['b', 2],
  ];
  await mayRepeat(t, lane, { user: 'v', lines: basket }, never);
  await lane.settle(await lane.hold({ lines: [['b', 2]] }), 'paid');
  await mayRepeat(t, lane, ask(1), never);
});

await t.test(
  'a cool-down that lasts longer than the sale, or a cap that is paid, is no "later"',
  async (t) => {
    const channels = [{ id: 'x', cap: 1 }, { id: 'free' }];
    const control: ControlPatch = { rejoinMs: MINUTE, limitPerBuyer: 1, channels };
    const lane = await openLane(t, control, [], redis);
    await lane.settle(await lane.hold({ user: 'u', lines: [['b', 1]] }), 'cancelled');
    await lane.settle(await lane.hold({ user: 'v', channel: 'x', lines: [['b', 1]] }), 'paid');
    const ask = async (request: Request = {}): Promise<unknown> => {
      const [name, , ...rest] = await lane.reserve({ user: 'u', lines: [['b', 1]], ...request });
      return [name, ...(name === 'rejoin_later' ? rest : rest.slice(1, 2))];
    };
    t.same(await ask(), ['rejoin_later', 1]);
    t.same(await ask({ channel: 'x' }), ['rejoin_later', 0], 'what the channel has is paid');
    await lane.hold({ user: 'w', lines: [['b', 1]] });
    t.same(await ask({ user: 'w' }), ['limit_reached', 1]);
    await lane.control({ ...control, version: 2, closesAt: (await now()) + MINUTE / 2 });
    t.same(await ask(), ['rejoin_later', 0], 'the sale ends before');
    t.same(await ask({ user: 'w' }), ['limit_reached', 1], 'the hold may have ended long enough ago');
  },
);

await t.test('every item whose own limit is exceeded is named', async (t) => {
  const items = [
    { sku: 'a', price: 1, total: 9, limitPerBuyer: 1 },
    { sku: 'b', price: 1, total: 9, limitPerBuyer: 1 },
    { sku: 'c', price: 1, total: 9 },
  ];
  const lane = await openLane(t, { items }, [], redis);
  const lines: Request['lines'] = [
    ['c', 1],
    ['b', 2],
    ['a', 3],
  ];
  const both = ['b', 'limit_reached', 9, 'a', 'limit_reached', 9];
  await mayRepeat(t, lane, { lines }, ['limit_reached', 1, 0, 0, 'b', ...both]);
  await lane.control({ version: 2, items, limitPerBuyer: 5 });
  await mayRepeat(t, lane, { lines }, ['limit_reached', 5, 0, 0, '', ...both]);
});

await t.test('"sold out" is for good when no end of a hold can make it fit', async (t) => {
  const control: ControlPatch = {
    items: [
      { sku: 'a', price: 1, total: 3 },
      { sku: 'b', price: 1, total: 1 },
      { sku: 'none', price: 1, total: 0 },
    ],
    channels: [{ id: 'x', cap: 1 }],
    limitPerBuyer: 2,
  };
  const lane = await openLane(t, control, [], redis);
  const never = { mayComeBack: false };
  await lane.hold({ user: 'u1', lines: [['a', 2]] });
  await mayRepeat(t, lane, { user: 'v', lines: [['a', 2]] }, soldOut('a', 1));
  await mayRepeat(t, lane, { user: 'v', lines: [['a', 2]], channel: 'x' }, soldOut('a', 1, never));
  await mayRepeat(t, lane, { user: 'v', lines: [['a', 3]] }, soldOut('a', 1, never));
  await mayRepeat(t, lane, { user: 'v', lines: [['none', 1]] }, soldOut('none', 0));
  await lane.settle(await lane.hold({ user: 'u2', lines: [['b', 1]] }), 'paid');
  await mayRepeat(t, lane, { user: 'v', lines: [['b', 1]] }, soldOut('b', 0, { isFinal: true }));
  const basket: Request = {
    user: 'v',
    lines: [
      ['a', 1],
      ['b', 1],
    ],
  };
  await mayRepeat(t, lane, basket, soldOut('b', 0, never));
});
