// Goal: every outcome of reserve.lua, at its boundary, on a real Redis; and what each outcome leaves behind.
// Method: one lane per test; a rejected request must leave every key of the lane byte by byte as it was.
import t, { type Test } from 'tap';
import { parseRecord } from '../../../services/stock/src/redis/hold-record.ts';
import { keyHashOf } from '../../../services/stock/src/redis/reservation-id.ts';
import {
  buyerText,
  FUTURE,
  makeRandom,
  openLane,
  PAST,
  makeLane,
  soldOut,
  type Request,
  type TestLane,
} from './support/lane.ts';

async function rejects(t: Test, lane: TestLane, request: Request, expected: unknown[]): Promise<void> {
  const before = await lane.dump();
  t.same(await lane.reserve(request), expected);
  t.same(await lane.dump(), before, 'a rejected request writes nothing');
}

await t.test('a reservation takes the units, records the hold, and adds one outbox entry', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 5 });
  const random = makeRandom();
  const [outcome, text] = await lane.reserve({
    user: 'u1',
    key: 'k1',
    random,
    channel: 'x',
    ref: 'note “8812”',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    extra: '{"metadata":{"gift":true}}',
    lines: [
      ['a', 1],
      ['b', 2],
    ],
  });
  t.equal(outcome, 'reserved');
  const record = parseRecord(String(text));
  t.match(record, {
    userId: 'u1',
    idempotencyKey: 'k1',
    random,
    epoch: 1,
    sequence: 1,
    currency: 'CNY',
    channelId: 'x',
    ref: 'note “8812”',
    metadata: { gift: true },
    lines: [
      { sku: 'a', quantity: 1, price: 2_990 },
      { sku: 'b', quantity: 2, price: 10 },
    ],
  });
  t.equal(record.expiresAt - record.reservedAt, 900_000);
  const [seconds] = await lane.redis.time();
  t.ok(Math.abs(Number(seconds) * 1_000 - record.reservedAt) < 5_000, 'the clock is the one of Redis');
  t.same(await lane.item('a'), [3, 2, 1, 0]);
  t.same(await lane.item('b'), [100, 98, 2, 0]);
  t.equal(await lane.redis.hget(lane.keys.buyers, 'u1'), buyerText({ units: 3 }));
  t.equal(await lane.redis.hget(lane.keys.state, 'x:units'), '3');
  t.same(await lane.redis.hgetall(lane.keys.holds), { [keyHashOf('u1', 'k1')]: text });
  t.equal(await lane.redis.exists(lane.keys.keys), 0);
  t.same(await lane.redis.xrange(lane.keys.outbox, '-', '+'), [
    ['1-1', ['record', text, 'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
  ]);
});

await t.test('sequences rise by one, and an entry without traceparent has no such field', async (t) => {
  const lane = await openLane(t);
  for (const user of ['u1', 'u2', 'u3']) await lane.reserve({ user });
  const entries = await lane.redis.xrange(lane.keys.outbox, '-', '+');
  t.same(
    entries.map(([id]) => id),
    ['1-1', '1-2', '1-3'],
  );
  t.equal(entries[0]?.[1].length, 2);
  t.equal(await lane.redis.hget(lane.keys.state, 'sequence'), '3');
});

await t.test('after the deadline nothing is taken, and what was taken is still told', async (t) => {
  const lane = await openLane(t);
  const [, first] = await lane.reserve({ user: 'u1', key: 'k' });
  const clock = async () => {
    const [seconds, microseconds] = await lane.redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  };
  const deadline = await clock();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = await lane.dump();
  const [outcome, now] = await lane.reserve({ user: 'u2', deadline });
  t.equal(outcome, 'late');
  t.ok(Number(now) > deadline && Number(now) <= (await clock()), 'with the clock that judged');
  t.same(await lane.reserve({ user: 'u1', key: 'k', deadline }), ['known', first], 'INV-4');
  t.match(await lane.reserve({ user: 'u2', lines: [['a', 9]], deadline }), ['sold_out'], 'and a "no" is one');
  t.same(await lane.dump(), before, 'nothing was written');
  t.match(await lane.reserve({ user: 'u2', deadline: (await clock()) + 5_000 }), ['reserved']);
});

await t.test('in a batch after the deadline nobody is told of units that nobody took', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 2 });
  const batch = [{ lines: [['a', 2]] }, { lines: [['a', 2]] }] as Request[];
  const answers = await lane.reserveAll(batch, { deadline: PAST });
  t.match(answers, [['late'], ['late']], 'the first has taken nothing from the second');
});

await t.test(
  'a second reserve with the same key returns the first answer and takes no second unit (key check)',
  async (t) => {
    const lane = await openLane(t);
    const [, first] = await lane.reserve({ key: 'k', channel: 'x' });
    await rejects(t, lane, { key: 'k', channel: 'x' }, ['known', first]);
    await rejects(t, lane, { key: 'k', lines: [['b', 9]] }, ['known', first]);
    t.same(await lane.item('a'), [3, 2, 1, 0], 'INV-4');
  },
);

await t.test('a rejected request does not use up its key', async (t) => {
  const lane = await openLane(t);
  await rejects(t, lane, { key: 'k', lines: [['a', 4]] }, soldOut('a', 3, { mayComeBack: false }));
  t.equal((await lane.reserve({ key: 'k', lines: [['a', 3]] }))[0], 'reserved');
});

await t.test('the keys ("a:b", "c"), ("a", "b:c") and ("a:", "bc") are three keys', async (t) => {
  const lane = await openLane(t);
  const pairs = [
    ['a:b', 'c'],
    ['a', 'b:c'],
    ['a:', 'bc'],
  ] as const;
  for (const [user, key] of pairs) t.equal((await lane.reserve({ user, key }))[0], 'reserved');
  t.equal(await lane.redis.hlen(lane.keys.holds), 3);
  for (const [user, key] of pairs) t.equal((await lane.reserve({ user, key }))[0], 'known');
});

await t.test('an outbox at its bound is overloaded, one below it is not', async (t) => {
  const lane = await openLane(t);
  t.equal((await lane.reserve({ outboxCountMax: 1 }))[0], 'reserved');
  await rejects(t, lane, { outboxCountMax: 1 }, ['overloaded']);
  t.equal((await lane.reserve({ outboxCountMax: 2 }))[0], 'reserved');
});

await t.test(
  'a missing, a rebuilding and a stale lane are unavailable, and only the first is missing',
  async (t) => {
    const lane = await makeLane(t);
    await rejects(t, lane, {}, ['sale_unavailable', 1]);
    await lane.close();
    await rejects(t, lane, {}, ['sale_unavailable', 0]);
    await lane.loadChunk({ epoch: 1 });
    await rejects(t, lane, {}, ['sale_unavailable', 0]);
    await lane.open(1);
    await rejects(t, lane, { runId: 'of-another-process' }, ['sale_unavailable', 0]);
    t.equal((await lane.reserve())[0], 'reserved');
    await lane.close({ force: true });
    await rejects(t, lane, {}, ['sale_unavailable', 0]);
  },
);

await t.test(
  'the window opens at opensAt and ends at closesAt, to the millisecond, by the clock of Redis',
  async (t) => {
    const lane = await openLane(t, { opensAt: FUTURE - 1, closesAt: FUTURE });
    const before = Date.now();
    const [outcome, opensAt, waitMs] = await lane.reserve();
    t.same([outcome, Number(opensAt)], ['sale_not_open', FUTURE - 1]);
    t.ok(Math.abs(FUTURE - 1 - before - Number(waitMs)) < 5_000);
    // The window is [opensAt, closesAt). The window's ends are set to either side of one instant.
    const now = async (): Promise<number> => {
      const [seconds, microseconds] = await lane.redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
    };
    let version = 1;
    const window = async (opensAt: number, closesAt: number): Promise<void> => {
      version += 1;
      t.equal((await lane.control({ version, opensAt, closesAt }))[0], 'applied');
    };
    await window(await now(), FUTURE);
    t.equal((await lane.reserve())[0], 'reserved', 'at opensAt it is open');
    await window(PAST, await now());
    await rejects(t, lane, {}, ['sale_closed']);
    const opening = (await now()) + 60;
    await window(opening, FUTURE);
    t.equal((await lane.reserve())[0], 'sale_not_open');
    while ((await now()) < opening);
    t.equal((await lane.reserve())[0], 'reserved', 'it opens by itself');
  },
);

await t.test('a paused, a closed and an ended sale refuse', async (t) => {
  const lane = await openLane(t);
  await lane.control({ version: 2, state: 'paused' });
  await rejects(t, lane, {}, ['sale_paused']);
  await lane.control({ version: 3, state: 'closed' });
  await rejects(t, lane, {}, ['sale_closed']);
  await lane.control({ version: 4, state: 'open', closesAt: PAST + 1 });
  await rejects(t, lane, {}, ['sale_closed']);
  await lane.control({ version: 5, state: 'paused', closesAt: PAST + 1 });
  await rejects(t, lane, {}, ['sale_closed']);
});

await t.test('the first line of an unknown SKU is named; SKUs that begin alike are apart', async (t) => {
  const lane = await openLane(t);
  const lines: Request['lines'] = [
    ['a', 1],
    ['ab', 1],
    ['zz', 1],
  ];
  await rejects(t, lane, { lines }, [
    ...['sku_not_found', 'ab'],
    ...['ab', 'sku_not_found', ''],
    ...['zz', 'sku_not_found', ''],
  ]);
});

await t.test('an unknown channel is refused', async (t) => {
  const lane = await openLane(t);
  await rejects(t, lane, { channel: 'nowhere' }, ['channel_not_found']);
});

await t.test(
  'the last unit is sold, and one left with two asked is sold out for that request only',
  async (t) => {
    const lane = await openLane(t);
    t.equal((await lane.reserve({ lines: [['a', 2]] }))[0], 'reserved');
    await rejects(t, lane, { lines: [['a', 2]] }, soldOut('a', 1));
    t.equal((await lane.reserve({ lines: [['a', 1]] }))[0], 'reserved');
    await rejects(t, lane, { lines: [['a', 1]] }, soldOut('a', 0));
  },
);

await t.test(
  'sold out is final when every unit is paid, and not for an item that has none yet',
  async (t) => {
    const empty = await openLane(t, { items: [{ sku: 'a', price: 1, total: 0 }] });
    await rejects(t, empty, {}, soldOut('a', 0));
    const lane = await openLane(t, { items: [{ sku: 'a', price: 1, total: 2 }] });
    await lane.redis.hset(lane.keys.state, 'a:available', 0, 'a:paid', 1, 'a:held', 1);
    await rejects(t, lane, {}, soldOut('a', 0));
    await lane.redis.hset(lane.keys.state, 'a:paid', 2, 'a:held', 0);
    await rejects(t, lane, {}, soldOut('a', 0, { isFinal: true }));
  },
);

await t.test('several lines are taken all or none, and each that lacks units is named', async (t) => {
  const lane = await openLane(t);
  const asked = (a: number, b: number): Request => ({
    lines: [
      ['b', b],
      ['a', a],
    ],
  });
  await rejects(t, lane, asked(4, 1), soldOut('a', 3, { mayComeBack: false }));
  await rejects(t, lane, asked(4, 101), [
    ...soldOut('b', 100, { mayComeBack: false }),
    ...['a', 'sold_out', 3],
  ]);
  t.equal((await lane.reserve(asked(3, 100)))[0], 'reserved');
  t.same(
    [await lane.item('a'), await lane.item('b')],
    [
      [3, 0, 3, 0],
      [100, 0, 100, 0],
    ],
  );
});

await t.test('a buyer reaches the limit exactly and never exceeds it (limit check)', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 2, items: [{ sku: 'a', price: 1, total: 100 }] });
  await rejects(t, lane, { lines: [['a', 3]] }, ['limit_reached', 2, 0, 0, '']);
  t.equal((await lane.reserve())[0], 'reserved');
  await rejects(t, lane, { lines: [['a', 2]] }, ['limit_reached', 2, 1, 1, '']);
  t.equal((await lane.reserve())[0], 'reserved');
  await rejects(t, lane, {}, ['limit_reached', 2, 2, 1, '']);
  t.equal((await lane.reserve({ user: 'u2', lines: [['a', 2]] }))[0], 'reserved', 'others are not concerned');
});

await t.test('the limit counts units over all lines, and without a limit there is none', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 2 });
  const lines: Request['lines'] = [
    ['a', 1],
    ['b', 2],
  ];
  await rejects(t, lane, { lines }, ['limit_reached', 2, 0, 0, '']);
  await lane.control({ version: 2 });
  t.equal((await lane.reserve({ lines }))[0], 'reserved');
  t.equal((await lane.reserve({ lines: [['b', 90]] }))[0], 'reserved');
  await lane.control({ version: 3, limitPerBuyer: 94 });
  await rejects(t, lane, { lines: [['b', 2]] }, ['limit_reached', 94, 93, 1, '']);
});

await t.test(
  'a channel sells its cap exactly and no more; a channel without a cap has none (cap check)',
  async (t) => {
    const lane = await openLane(t, {
      channels: [{ id: 'x', cap: 3 }, { id: 'free' }, { id: 'shut', cap: 0 }],
    });
    const ask = (channel: string, quantity: number): Request => ({ channel, lines: [['b', quantity]] });
    await rejects(t, lane, ask('x', 4), ['channel_full', 3, 0]);
    t.equal((await lane.reserve(ask('x', 2)))[0], 'reserved');
    await rejects(t, lane, ask('x', 2), ['channel_full', 3, 1]);
    t.equal((await lane.reserve(ask('x', 1)))[0], 'reserved');
    await rejects(t, lane, ask('x', 1), ['channel_full', 3, 1]);
    await rejects(t, lane, ask('shut', 1), ['channel_full', 0, 0]);
    t.equal((await lane.reserve(ask('free', 50)))[0], 'reserved');
    t.equal((await lane.reserve({ lines: [['b', 1]] }))[0], 'reserved', 'no channel, no cap');
  },
);

await t.test('a malformed call is refused as our bug before anything is read or written', async (t) => {
  const lane = await openLane(t);
  const malformed: Request[] = [
    { lines: [] },
    ...['0', '-1', '1.5', '1e1', '0x2', ' 1', '1 ', '01', '', 'nan', 'inf'].map((quantity): Request => {
      return { lines: [['a', quantity]] };
    }),
    {
      lines: [
        ['a', 1],
        ['b', 1],
        ['a', 1],
      ],
    },
    { lines: [['', 1]] },
    { runId: '' },
    { user: '' },
    { key: '' },
    ...['', 'a'.repeat(15), 'a'.repeat(17)].map((random): Request => ({ random })),
    ...['', 'a'.repeat(21), 'a'.repeat(23)].map((keyHash): Request => ({ keyHash })),
    { outboxCountMax: Number.NaN },
  ];
  const before = await lane.dump();
  for (const request of malformed) {
    await t.rejects(lane.reserve(request), /^SECKILL_RESERVE_ARGUMENTS/, JSON.stringify(request));
  }
  t.same(await lane.dump(), before);
});

await t.test('broken counts are refused before the first write', async (t) => {
  const lane = await openLane(t);
  for (const [field, value] of [
    ['a:available', 'x'],
    ['a:available', '-1'],
    ['a:held', 'x'],
    ['a:price', 'x'],
  ] as const) {
    await lane.redis.hset(lane.keys.state, 'a:available', 3, 'a:held', 0, 'a:price', 5, field, value);
    const before = await lane.dump();
    await t.rejects(lane.reserve(), /SECKILL_LANE_BROKEN/);
    t.same(await lane.dump(), before);
  }
});

await t.test('a rewound stream id writes nothing', async (t) => {
  const lane = await openLane(t);
  await lane.reserve();
  await lane.redis.hset(lane.keys.state, 'sequence', '0');
  const before = await lane.dump();
  await t.rejects(lane.reserve({ user: 'u2' }), /equal or smaller/);
  t.same(await lane.dump(), before);
});

await t.test('an item and a channel of one name, and names of other fields, are apart', async (t) => {
  const named = ['gate', 'skus', 'sequence'];
  const lane = await openLane(t, {
    items: named.map((sku) => ({ sku, price: 7, total: 5 })),
    channels: named.map((id) => ({ id, cap: 5 })),
  });
  for (const [index, name] of named.entries()) {
    t.equal((await lane.reserve({ channel: name, lines: [[name, index + 1]] }))[0], 'reserved');
  }
  for (const [index, name] of named.entries()) {
    t.same(await lane.item(name), [5, 4 - index, index + 1, 0]);
    t.equal(await lane.redis.hget(lane.keys.state, `${name}:units`), String(index + 1));
  }
  t.match(await lane.inspect(), ['open', Number, 1, 1, 3]);
  t.equal((await lane.inspect()).length, 20 + 5 * named.length);
});

await t.test('numbers of any size that the contract allows are written in full', async (t) => {
  const price = 1_000_000_000;
  const total = 10_000_000;
  const skus = Array.from({ length: 20 }, (_, index) => `s${index}`);
  const lane = await openLane(t, {
    items: skus.map((sku) => ({ sku, price, total })),
    holdMs: 86_400_000,
    channels: [{ id: 'x', cap: total }],
  });
  await lane.redis.hset(lane.keys.state, 'sequence', '9999999999');
  const [outcome, text] = await lane.reserve({ channel: 'x', lines: skus.map((sku) => [sku, 100]) });
  t.equal(outcome, 'reserved');
  const record = parseRecord(String(text));
  t.equal(record.sequence, 10_000_000_000);
  t.equal(record.expiresAt - record.reservedAt, 86_400_000);
  t.same(
    record.lines,
    skus.map((sku) => ({ sku, quantity: 100, price })),
  );
  t.match(await lane.redis.hgetall(lane.keys.state), {
    sequence: '10000000000',
    's19:available': '9999900',
    's19:held': '100',
    'x:units': '2000',
  });
});

await t.test('a key of the wrong type is met before the first write', async (t) => {
  for (const part of ['state', 'buyers', 'keys', 'holds', 'outbox'] as const) {
    const lane = await openLane(t);
    await lane.redis.del(lane.keys[part]);
    await lane.redis.set(lane.keys[part], 'a text');
    const before = await lane.dump();
    await t.rejects(lane.reserve({ channel: 'x' }), /WRONGTYPE/, part);
    t.same(await lane.dump(), before, part);
  }
});
