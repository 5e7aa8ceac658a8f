// Goal: a lane comes into being in one way only: close, load in order, open (docs/recovery.md, "Rebuild").
// Method: every refusal of close.lua, load.lua and open.lua, and the counts that a snapshot with orders must
// give.
import t from 'tap';
import { parseRecord, reservationIdOf } from '../../../services/stock/src/redis/hold-record.ts';
import { keyHashOf } from '../../../services/stock/src/redis/reservation-id.ts';
import { buyerText, connect, makeLane, makeRandom, openLane, soldOut } from './support/lane.ts';

const redis = await connect(t);

await t.test('close creates an absent lane, closed and empty, and repeats change nothing', async (t) => {
  const lane = await makeLane(t, redis);
  t.same(await lane.close(), ['missing', 'rebuilding', 0, 1]);
  const before = await lane.dump();
  t.same(await lane.close(), ['rebuilding', 'rebuilding', 0, 1]);
  t.same(await lane.dump(), before);
});

await t.test('close leaves a lane open under our run_id alone unless forced', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const before = await lane.dump();
  t.same(await lane.close(), ['open', 'open', 1, 1]);
  t.same(await lane.dump(), before);
  t.same(await lane.close({ force: true }), ['open', 'rebuilding', 1, 2]);
  t.same(await lane.close(), ['rebuilding', 'rebuilding', 1, 2], 'what is closed is closed');
  t.same(await lane.close({ force: true }), ['rebuilding', 'rebuilding', 1, 3], 'a new closing all the same');
  t.same((await lane.inspect())[0], 'rebuilding');
});

await t.test('close shuts a lane that another Redis process opened', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  t.same(await lane.close({ runId: 'later' }), ['stale', 'rebuilding', 1, 2]);
  t.same(await lane.reserve(), ['sale_unavailable', 0]);
});

await t.test('a snapshot without orders gives a lane with everything available', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  t.same(await lane.item('a'), [3, 3, 0, 0]);
  t.match(await lane.redis.hgetall(lane.keys.state), {
    'x:cap': '50',
    'x:units': '0',
    'free:cap': '',
    'free:units': '0',
    skus: 'a b',
    gate: 'open',
    run_id: `${lane.runId}:2`,
    epoch: '1',
    sequence: '0',
    version: '1',
    limit: '',
    currency: 'CNY',
  });
});

await t.test('pending, paid, cancelled and expired orders each leave what they must', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const statuses = ['pending', 'paid', 'cancelled', 'expired'] as const;
  const orders = statuses.map((status, index) =>
    lane.order({
      status,
      userId: `u${index}`,
      idempotencyKey: status,
      channelId: 'x',
      ...(status === 'cancelled' || status === 'expired' ? { endedAt: 5_000 } : {}),
    }),
  );
  t.same(await lane.loadChunk({ epoch: 3, orders }), ['loaded', 0]);
  t.same(await lane.open(3), ['opened']);
  t.same(await lane.item('a'), [3, 1, 1, 1]);
  t.same(await lane.redis.hgetall(lane.keys.buyers), {
    u0: '1 0 1 0',
    u1: '1 1 1 0',
    u2: '0 0 1 5000',
    u3: '0 0 1 901000',
  });
  t.equal(await lane.redis.hget(lane.keys.state, 'x:units_paid'), '1');
  t.equal(await lane.redis.hget(lane.keys.state, 'x:units'), '2');
  t.same(await lane.redis.hkeys(lane.keys.holds), [keyHashOf('u0', 'pending')]);
  t.equal(await lane.redis.hlen(lane.keys.keys), 3, 'the key of an ended order still answers');
  for (const [index, status] of statuses.entries()) {
    const [outcome, record] = await lane.reserve({ user: `u${index}`, key: status });
    t.equal(outcome, 'known', status);
    t.equal(reservationIdOf(lane.lane, parseRecord(String(record))), orders[index]?.reservationId);
  }
  t.same(await lane.reserve({ user: 'u9', lines: [['a', 2]] }), soldOut('a', 1));
  t.equal((await lane.reserve({ user: 'u9' }))[0], 'reserved');
  t.same(
    (await lane.redis.xrange(lane.keys.outbox, '-', '+')).map(([id]) => id),
    ['3-1'],
  );
});

await t.test('chunks follow in order, and one that repeats changes nothing', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const chunk = (user: string) => [
    lane.order({ userId: user, channelId: 'x' }),
    lane.order({ userId: user }),
  ];
  t.same(await lane.loadChunk({ epoch: 1, chunk: 1, orders: chunk('u1') }), ['epoch_not_higher']);
  const first = chunk('u0').slice(1);
  t.same(await lane.loadChunk({ epoch: 1, isLast: false, orders: first }), ['loaded', 0]);
  t.same(await lane.open(1), ['not_loaded']);
  const before = await lane.dump();
  t.same(await lane.loadChunk({ epoch: 1, isLast: false, orders: first }), ['loaded', 0]);
  t.same(await lane.loadChunk({ epoch: 1, chunk: 2, orders: [] }), ['chunk_not_next']);
  t.same(await lane.dump(), before);
  const second = chunk('u1');
  t.same(await lane.loadChunk({ epoch: 1, chunk: 1, orders: second }), ['loaded', 1]);
  const complete = await lane.dump();
  t.same(await lane.loadChunk({ epoch: 1, chunk: 1, orders: second }), ['loaded', 1]);
  t.same(await lane.dump(), complete);
  t.same(await lane.open(1), ['opened']);
  t.same(await lane.item('a'), [3, 0, 3, 0]);
  t.same(await lane.redis.hgetall(lane.keys.buyers), {
    u0: buyerText({ units: 1 }),
    u1: buyerText({ units: 2, holds: 2 }),
  });
});

await t.test('the first chunk of a later epoch wipes what an earlier load left', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  await lane.loadChunk({ epoch: 1, isLast: false, orders: [lane.order({ channelId: 'x' })] });
  t.same(await lane.loadChunk({ epoch: 2 }), ['loaded', 0]);
  t.same(await lane.item('a'), [3, 3, 0, 0]);
  t.equal(await lane.redis.exists(lane.keys.buyers, lane.keys.keys, lane.keys.holds), 0);
  t.same(await lane.loadChunk({ epoch: 1, chunk: 1 }), ['epoch_not_higher'], 'the earlier loader stops');
  t.same(await lane.open(1), ['other_epoch']);
  t.same(await lane.open(2), ['opened']);
});

await t.test(
  'a used sale is never overwritten: open gate, waiting outbox, equal epoch, lower epoch',
  async (t) => {
    const lane = await openLane(t, {}, [], redis);
    await lane.reserve();
    t.same(await lane.loadChunk({ epoch: 2 }), ['open']);
    await lane.close({ force: true });
    const before = await lane.dump();
    t.same(await lane.loadChunk({ epoch: 2 }), ['outbox_not_empty']);
    t.same(await lane.dump(), before);
    await lane.lease('token', 10_000);
    t.equal(await lane.trim('token', '1-1'), 1);
    t.same(
      await lane.loadChunk({ epoch: 1 }),
      ['loaded', 0],
      'a repeat of the chunk that is in: nothing is done',
    );
    t.same(await lane.loadChunk({ epoch: 0 }), ['epoch_not_higher']);
    t.same(await lane.item('a'), [3, 2, 1, 0]);
    t.same(await lane.loadChunk({ epoch: 2 }), ['loaded', 0]);
    t.same(await lane.item('a'), [3, 3, 0, 0]);
    t.equal(await lane.redis.hget(lane.keys.state, 'run_id'), null, 'and counts as never opened');
  },
);

await t.test('load needs a lane, and open one that is loaded', async (t) => {
  const lane = await makeLane(t, redis);
  t.same(await lane.loadChunk({ epoch: 1 }), ['missing']);
  t.same(await lane.open(1), ['missing']);
  await lane.close();
  t.same(await lane.open(0), ['not_loaded']);
});

await t.test('open repeats under its own run_id, and refuses a lane open under another', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  t.same(await lane.open(1), ['opened']);
  t.same(await lane.open(1, 'later'), ['stale']);
  await lane.close({ runId: 'later' });
  t.same(await lane.open(1, 'later'), ['opened'], 'after a close it opens under the new process');
});

await t.test('a permission to open is void once the lane was closed again or sold', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.close({ force: true });
  const early = await lane.place();
  t.same(await lane.open(1), ['opened']);
  await lane.close({ force: true });
  t.same(await lane.open(1, lane.runId, early), ['changed'], 'closed for another reason since');
  t.same(await lane.open(1), ['opened']);
  await lane.reserve();
  await lane.close({ force: true });
  const place = await lane.place();
  t.same(await lane.open(1, lane.runId, place), ['changed'], 'the outbox is not in Kafka yet');
  await lane.lease('one', 10_000);
  await lane.trim('one', '1-1');
  t.same(await lane.open(1, lane.runId, { ...place, sequence: 0 }), ['changed'], 'sold since');
  t.same(await lane.open(1, lane.runId, place), ['opened']);
  await lane.close({ force: true });
  await lane.loadChunk({ epoch: 2 });
  t.equal((await lane.place()).fence, place.fence + 1, 'a load keeps the fence');
});

await t.test('a snapshot that contradicts itself is not installed', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const line = (sku: string, quantity: number) => [{ sku, quantity, price: 1 }];
  const key = makeRandom();
  const cases = [
    [[lane.order({ lines: line('zz', 1) })], /^SECKILL_LOAD_SKU/],
    [[lane.order({ channelId: 'nowhere' })], /^SECKILL_LOAD_CHANNEL/],
    [
      [lane.order({ lines: line('a', 2) }), lane.order({ lines: line('a', 2), status: 'paid' })],
      /^SECKILL_LOAD_OVERSOLD/,
    ],
    [[lane.order({ idempotencyKey: key }), lane.order({ idempotencyKey: key })], /^SECKILL_LOAD_KEY_TWICE/],
    [[lane.order({ status: 'refused' as 'pending' })], /^SECKILL_LOAD_STATUS/],
  ] as const;
  const before = await lane.dump();
  for (const [orders, error] of cases) {
    await t.rejects(lane.loadChunk({ epoch: 1, orders: [...orders] }), error);
  }
  t.same(await lane.dump(), before);
  await lane.loadChunk({ epoch: 1, isLast: false, orders: [lane.order({ idempotencyKey: key })] });
  const half = await lane.dump();
  for (const [orders, error] of cases) {
    await t.rejects(lane.loadChunk({ epoch: 1, chunk: 1, orders: [...orders] }), error);
  }
  await t.rejects(
    lane.loadChunk({ epoch: 1, chunk: 1, orders: [lane.order({ idempotencyKey: key })] }),
    /^SECKILL_LOAD_KEY_TWICE/,
    'also over two chunks',
  );
  t.same(await lane.dump(), half);
});

await t.test('fifty items, a thousand channels and two thousand orders load within bounds', async (t) => {
  const lane = await makeLane(t, redis);
  await lane.close();
  const items = Array.from({ length: 50 }, (_, index) => ({ sku: `s${index}`, price: 1, total: 10_000_000 }));
  const channels = Array.from({ length: 1_000 }, (_, index) => ({ id: `c${index}`, cap: 10_000_000 }));
  for (const chunk of [0, 1, 2, 3]) {
    const orders = Array.from({ length: 500 }, (_, index) =>
      lane.order({
        userId: `u${index}`,
        channelId: `c${index}`,
        lines: [{ sku: `s${index % 50}`, quantity: 100, price: 1_000_000_000 }],
      }),
    );
    const isLast = chunk === 3;
    t.same(await lane.loadChunk({ epoch: 1, chunk, isLast, control: { items, channels }, orders }), [
      'loaded',
      chunk,
    ]);
  }
  t.same(await lane.item('s0'), [10_000_000, 9_996_000, 4_000, 0]);
  t.equal(await lane.redis.hlen(lane.keys.holds), 2_000);
});
