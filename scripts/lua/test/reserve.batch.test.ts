// Goal: the requests of one call of reserve.lua are decided one after the other, as if each had come alone.
// Method: batches whose requests meet each other: on the last unit, the limit, the cap, the key and the
// outbox's bound. model.test.ts does the same with random batches.
import t from 'tap';
import { parseRecord } from '../../../services/stock/src/redis/hold-record.ts';
import { RESERVE_CALL_COUNT_MAX } from '../../../services/stock/src/reserve/calls.ts';
import type { ScriptAnswer } from '../../../services/stock/src/redis/scripts.ts';
import { buyerText, openLane, soldOut, type Request } from './support/lane.ts';

/** The answers without the records. */
const toOutcomes = (answers: (ScriptAnswer | Error)[]): unknown[] =>
  answers.map((answer) => {
    if (!Array.isArray(answer)) return answer.message;
    return answer[0] === 'reserved' || answer[0] === 'known' ? answer[0] : answer;
  });
const ask = (user: string, sku: string, quantity: number, rest: Request = {}): Request => ({
  user,
  lines: [[sku, quantity]],
  ...rest,
});

await t.test('each reservation has its own sequence, entry and hold', async (t) => {
  const lane = await openLane(t);
  const answers = await lane.reserveAll([
    ask('u1', 'b', 2, { channel: 'x' }),
    {
      user: 'u2',
      lines: [
        ['a', 1],
        ['b', 3],
      ],
    },
    ask('u1', 'b', 5, { channel: 'x', traceparent: '00-aa-bb-01' }),
  ]);
  t.same(toOutcomes(answers), ['reserved', 'reserved', 'reserved']);
  const texts = answers.map((answer) => (Array.isArray(answer) ? String(answer[1]) : ''));
  t.match(texts.map(parseRecord), [
    { userId: 'u1', sequence: 1, channelId: 'x', lines: [{ sku: 'b', quantity: 2 }] },
    { userId: 'u2', sequence: 2, lines: [{ sku: 'a' }, { sku: 'b', quantity: 3 }] },
    { userId: 'u1', sequence: 3, channelId: 'x', lines: [{ sku: 'b', quantity: 5 }] },
  ]);
  t.same(await lane.redis.xrange(lane.keys.outbox, '-', '+'), [
    ['1-1', ['record', texts[0]]],
    ['1-2', ['record', texts[1]]],
    ['1-3', ['record', texts[2], 'traceparent', '00-aa-bb-01']],
  ]);
  t.same(await lane.item('a'), [3, 2, 1, 0]);
  t.same(await lane.item('b'), [100, 90, 10, 0]);
  t.same(await lane.redis.hgetall(lane.keys.buyers), {
    u1: buyerText({ units: 7, holds: 2 }),
    u2: buyerText({ units: 4 }),
  });
  t.same(Object.values(await lane.redis.hgetall(lane.keys.holds)).sort(), [...texts].sort());
  t.same(await lane.redis.hmget(lane.keys.state, 'sequence', 'x:units'), ['3', '7']);
});

await t.test(
  'the last unit goes to the first request; a small request is met behind a large one that was not (INV-1)',
  async (t) => {
    const lane = await openLane(t);
    const batch = [ask('u1', 'a', 2), ask('u2', 'a', 2), ask('u3', 'a', 1), ask('u4', 'a', 1)];
    t.same(toOutcomes(await lane.reserveAll(batch)), [
      'reserved',
      soldOut('a', 1),
      'reserved',
      soldOut('a', 0),
    ]);
    t.same(await lane.item('a'), [3, 0, 3, 0]);
    t.equal(await lane.redis.xlen(lane.keys.outbox), 2);
  },
);

await t.test('a rejected request takes nothing of what its neighbours get', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 50 });
  const lines: Request['lines'] = [
    ['b', 40],
    ['a', 4],
  ];
  t.same(
    toOutcomes(
      await lane.reserveAll([{ user: 'u1', channel: 'x', lines }, ask('u1', 'b', 50, { channel: 'x' })]),
    ),
    [soldOut('a', 3, { mayComeBack: false }), 'reserved'],
    'neither items, nor the buyer, nor the channel were touched by the first',
  );
  t.same(await lane.item('b'), [100, 50, 50, 0]);
});

await t.test('limit and cap count what the batch took before (INV-6)', async (t) => {
  const lane = await openLane(t, { limitPerBuyer: 3, channels: [{ id: 'x', cap: 4 }, { id: 'free' }] });
  const x = { channel: 'x' };
  t.same(
    toOutcomes(
      await lane.reserveAll([
        ask('u1', 'b', 2, x),
        ask('u1', 'b', 2, { channel: 'free' }),
        ask('u1', 'b', 1),
        ask('u2', 'b', 3, x),
        ask('u2', 'b', 2, x),
        ask('u3', 'b', 1, x),
        ask('u3', 'b', 1, { channel: 'free' }),
      ]),
    ),
    [
      'reserved',
      ['limit_reached', 3, 2, 1, ''],
      'reserved',
      ['channel_full', 4, 1],
      'reserved',
      ['channel_full', 4, 1],
      'reserved',
    ],
  );
  t.same(await lane.redis.hgetall(lane.keys.buyers), {
    u1: buyerText({ units: 3, holds: 2 }),
    u2: buyerText({ units: 2 }),
    u3: buyerText({ units: 1 }),
  });
  t.same(await lane.redis.hmget(lane.keys.state, 'x:units', 'free:units'), ['4', '1']);
});

await t.test('a key that comes twice in a batch reserves once (INV-4)', async (t) => {
  const lane = await openLane(t);
  const [first, second, other] = await lane.reserveAll([
    ask('u1', 'b', 1, { key: 'k' }),
    ask('u1', 'b', 1, { key: 'k' }),
    ask('u2', 'b', 1, { key: 'k' }),
  ]);
  t.match(first, ['reserved', String]);
  t.same(second, ['known', (first as ScriptAnswer)[1]]);
  t.match(other, ['reserved', String], "keys are each user's own");
  t.same(await lane.item('b'), [100, 98, 2, 0]);
  t.match(await lane.reserveAll([ask('u1', 'b', 1, { key: 'k' }), ask('u3', 'b', 1)]), [
    ['known', (first as ScriptAnswer)[1]],
    ['reserved', String],
  ]);
});

await t.test('the outbox takes what it has room for, and everybody behind is told so', async (t) => {
  const lane = await openLane(t);
  const batch = [
    ask('u1', 'a', 9),
    ask('u2', 'b', 1, { key: 'k' }),
    ask('u3', 'b', 1),
    ask('u4', 'a', 9),
    ask('u2', 'b', 1, { key: 'k' }),
  ];
  t.same(toOutcomes(await lane.reserveAll(batch, { outboxCountMax: 2 })), [
    soldOut('a', 3, { mayComeBack: false }),
    'reserved',
    'reserved',
    ['overloaded'],
    ['overloaded'],
  ]);
  t.equal(await lane.redis.xlen(lane.keys.outbox), 2);
});

await t.test('an item with broken counts fails those who ask for it, and nobody else', async (t) => {
  const lane = await openLane(t);
  await lane.redis.hset(lane.keys.state, 'a:held', 'x');
  t.same(toOutcomes(await lane.reserveAll([ask('u1', 'a', 1), ask('u2', 'b', 1), ask('u3', 'zz', 1)])), [
    'SECKILL_LANE_BROKEN counts of an item',
    'reserved',
    ['sku_not_found', 'zz', 'zz', 'sku_not_found', ''],
  ]);
  t.equal(await lane.redis.hget(lane.keys.state, 'a:available'), '3');
  t.same(await lane.redis.hgetall(lane.keys.buyers), { u2: buyerText({ units: 1 }) });
});

await t.test('each request hears an outcome that refuses the whole lane', async (t) => {
  const lane = await openLane(t);
  const batch = [ask('u1', 'a', 1), ask('u2', 'b', 1)];
  t.same(await lane.reserveAll(batch, { runId: 'other' }), [
    ['sale_unavailable', 0],
    ['sale_unavailable', 0],
  ]);
  await lane.control({ version: 2, state: 'paused' });
  t.same(await lane.reserveAll(batch), [['sale_paused'], ['sale_paused']]);
});

await t.test(
  'one malformed request is our own bug: the whole call is refused and nothing written',
  async (t) => {
    const lane = await openLane(t);
    const before = await lane.dump();
    for (const bad of [
      ask('', 'b', 1),
      ask('u2', 'b', 0),
      { user: 'u2', lines: [] },
      ask('u2', 'b', 1, { random: 'short' }),
    ]) {
      await t.rejects(
        lane.reserveAll([ask('u1', 'b', 1), bad]),
        /^SECKILL_RESERVE_ARGUMENTS/,
        JSON.stringify(bad),
      );
    }
    await t.rejects(lane.reserveAll([]), /^SECKILL_RESERVE_ARGUMENTS/, 'an empty batch');
    t.same(await lane.dump(), before);
  },
);

await t.test(
  'the largest batch is taken, with all lines different and most of them unknown; one more is not',
  async (t) => {
    const lane = await openLane(t);
    const wide = (index: number): Request => ({
      user: `u${index}`,
      lines: Array.from({ length: 20 }, (_, line) => [`none-${index}-${line}`, 1]),
    });
    const batch = Array.from({ length: RESERVE_CALL_COUNT_MAX }, (_, index) =>
      index % 8 === 7 ? ask(`u${index}`, 'b', 1) : wide(index),
    );
    const answers = toOutcomes(await lane.reserveAll(batch));
    t.equal(answers.filter((answer) => answer === 'reserved').length, RESERVE_CALL_COUNT_MAX / 8);
    t.same(await lane.item('b'), [100, 92, 8, 0]);
    await t.rejects(lane.reserveAll([...batch, ask('one-more', 'b', 1)]), /^SECKILL_RESERVE_ARGUMENTS/);
    t.same(await lane.item('b'), [100, 92, 8, 0]);
  },
);

await t.test(
  'a rewound stream id writes nothing, and nobody is told of units that nobody took',
  async (t) => {
    const lane = await openLane(t, { limitPerBuyer: 2 });
    const [known] = await lane.reserveAll([ask('u1', 'b', 1, { key: 'k' }), ask('u2', 'b', 1)]);
    await lane.redis.hset(lane.keys.state, 'sequence', '1');
    const before = await lane.dump();
    const answers = await lane.reserveAll([
      ask('u9', 'a', 9),
      ask('u3', 'a', 2),
      ask('u1', 'b', 1, { key: 'k' }),
      ask('u4', 'a', 2),
      ask('u3', 'b', 1),
      ask('u5', 'b', 1),
    ]);
    t.same(answers[0], soldOut('a', 3, { mayComeBack: false }));
    t.same(answers[2], ['known', (known as ScriptAnswer)[1]]);
    for (const place of [1, 3, 4, 5])
      t.match(answers[place], { message: /equal or smaller/ }, `place ${place}`);
    t.same(await lane.dump(), before);
  },
);

await t.test('damaged units, limits and caps fail those they concern, closed (INV-6)', async (t) => {
  const damages = [
    ['buyers', 'u1', 'x', [true, false, false]],
    ['state', 'limit', 'x', [true, true, true]],
    ['state', 'limit', undefined, [true, true, true]],
    ['buyers', 'u1', '-5', [true, false, false]],
    ['state', 'limit', 'nan', [true, true, true]],
    ['state', 'b:available', 'nan', [true, true, true]],
    ['state', 'b:held', '-1', [true, true, true]],
    ['state', 'x:units', '-9', [false, true, false]],
    ['state', 'x:cap', '0x7f', [false, true, false]],
    ['state', 'x:units', undefined, [false, true, false]],
    ['state', 'x:cap', 'y', [false, true, false]],
  ] as const;
  for (const [part, field, value, areBroken] of damages) {
    const lane = await openLane(t, { limitPerBuyer: 5 });
    if (value === undefined) await lane.redis.hdel(lane.keys[part], field);
    else await lane.redis.hset(lane.keys[part], field, value);
    const answers = await lane.reserveAll([
      ask('u1', 'b', 1),
      ask('u2', 'b', 1, { channel: 'x' }),
      ask('u3', 'b', 1),
    ]);
    const told = toOutcomes(answers).map((outcome) => /^SECKILL_LANE_BROKEN/.test(String(outcome)));
    t.same(told, areBroken, `${field} ${value ?? 'gone'}`);
    const reserved = areBroken.filter((isBroken) => !isBroken).length;
    t.equal(await lane.redis.xlen(lane.keys.outbox), reserved);
  }
});

await t.test('the widest batch: every line and channel different, all reserved', async (t) => {
  const names = Array.from({ length: RESERVE_CALL_COUNT_MAX }, (_, index) => `c${index}`);
  const lane = await openLane(t, {
    items: Array.from({ length: 50 }, (_, index) => ({ sku: `s${index}`, price: 1, total: 1_000 })),
    channels: names.map((id) => ({ id })),
  });
  const known = names.map((channel, index): Request => {
    const lines = Array.from({ length: 20 }, (_, line): [string, number] => [`s${(index + line) % 50}`, 1]);
    return { user: `u${index}`, channel, lines };
  });
  t.same(new Set(toOutcomes(await lane.reserveAll(known))), new Set(['reserved']));
  t.equal(await lane.redis.xlen(lane.keys.outbox), RESERVE_CALL_COUNT_MAX);
  const unknown = names.map((channel, index): Request => {
    const lines = Array.from({ length: 20 }, (_, line): [string, number] => [`none-${index}-${line}`, 1]);
    return { user: `v${index}`, channel, lines };
  });
  for (const answer of await lane.reserveAll(unknown)) t.match(answer, ['sku_not_found', /^none-/]);
  const tooLong: Request['lines'] = Array.from({ length: 21 }, (_, line) => [`s${line}`, 1]);
  await t.rejects(lane.reserveAll([{ lines: tooLong }]), /^SECKILL_RESERVE_ARGUMENTS/, 'a line too many');
});
