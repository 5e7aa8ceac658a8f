// Goal: the gateway answers by itself exactly what docs/recovery.md allows and is silent in every doubt: each
// condition is taken away by itself. Method: the memory's real code; announcements, whole states and both
// clocks come from the test. remembered-reservations.test.ts has the conditions about reservations.
import type { Announcement } from '@seckill/contracts';
import t from 'tap';
import { build, buildFilled, shortOf, soldOut, START } from '../support/memory.ts';

await t.test(
  'a sale that is surely sold out is answered, once stock has told all its reservations',
  async (t) => {
    const { ask, hear, tellAll, asked } = build();
    t.equal(ask(), undefined, 'never heard of');
    hear();
    t.equal(ask(), undefined, 'the reservation of sequence 1 is not known');
    t.same(asked, ['oranges']);
    t.equal(ask(), undefined);
    t.same(asked, ['oranges'], 'one question at a time');
    await tellAll();
    t.same(ask(), soldOut);
  },
);

await t.test('sold out is decided per request, for the first line that is short', async (t) => {
  const { ask } = await buildFilled();
  const lines = (...skus: [string, number][]) => ({
    lines: skus.map(([sku, quantity]) => ({ sku, quantity })),
  });
  t.equal(ask(lines(['b', 1])), undefined, 'one is left');
  t.same(ask(lines(['b', 2])), shortOf('b', 1));
  t.same(ask(lines(['b', 5])), shortOf('b', 1, { retryable: false }), 'more than could come back');
  t.same(ask(lines(['c', 1])), shortOf('c', 0, { final: true, retryable: false }), 'all is paid');
  t.same(ask(lines(['d', 1])), shortOf('d', 0), 'it has no units yet');
  t.same(
    ask(lines(['b', 1], ['c', 1], ['a', 1])),
    { ...shortOf('c', 0, { retryable: false }), lines: [...shortOf('c', 0).lines, ...shortOf('a', 0).lines] },
    'every line that fails; the others may be had',
  );
  t.equal(ask(lines(['a', 1], ['zz', 1])), undefined, 'an unknown SKU comes first, and stock tells');
  t.same(ask({ channelId: 'x' }), soldOut);
  t.equal(ask({ channelId: 'y' }), undefined, 'so does an unknown channel');
});

await t.test('a paused item comes before sold out, and each line says why it fails', async (t) => {
  const { ask, hear } = await buildFilled();
  const items = [
    { sku: 'a', total: 1, available: 0, held: 1 },
    { sku: 'b', total: 2, available: 1, held: 1, paused: true as const },
  ];
  hear({ items });
  const paused = { sku: 'b', code: 'item_paused', available: 1 };
  const both = [
    { sku: 'a', quantity: 1 },
    { sku: 'b', quantity: 1 },
  ];
  t.same(ask({ lines: both }), {
    outcome: 'item_paused',
    sku: 'b',
    retryable: true,
    lines: [{ sku: 'a', code: 'sold_out', available: 0 }, paused],
  });
  const alone = { outcome: 'item_paused', sku: 'b', retryable: true, lines: [paused] };
  t.same(ask({ lines: both.slice(1) }), alone);
  const beyond = { lines: [{ sku: 'b', quantity: 3 }] };
  t.same(ask(beyond), { ...alone, retryable: false }, 'more than could come back');
  t.same(ask(), soldOut, 'the other items are as they were');
  t.equal(ask({ lines: both, channelId: 'y' }), undefined, 'an unknown channel comes first, and stock tells');
});

await t.test('what the limit or a cap can never give does not come back', async (t) => {
  const { ask, hear } = await buildFilled();
  const two = {
    lines: [
      { sku: 'a', quantity: 1 },
      { sku: 'b', quantity: 1 },
    ],
  };
  hear({ limitPerBuyer: 1 });
  t.same(ask(two), shortOf('a', 0, { retryable: false }));
  t.same(ask(), soldOut);
  hear({ capMin: 1 });
  t.equal(ask({ ...two, channelId: 'x' }), undefined, 'the cap may be this channel’s, and stock knows');
  t.same(ask({ channelId: 'x' }), soldOut);
  t.same(ask(two), soldOut, 'without a channel there is no cap');
});

await t.test('closed, paused and not open come in the order of the script', async (t) => {
  const cases: [string, Partial<Announcement>, object | undefined][] = [
    ['closed by hand', { state: 'closed' }, { outcome: 'sale_closed' }],
    ['over', { closesAt: START }, { outcome: 'sale_closed' }],
    ['over, and paused', { closesAt: START, state: 'paused' }, { outcome: 'sale_closed' }],
    ['paused', { state: 'paused' }, { outcome: 'sale_paused' }],
    ['paused before it opens', { state: 'paused', opensAt: START + 5_000 }, { outcome: 'sale_paused' }],
    [
      'not open',
      { opensAt: START + 5_000 },
      { outcome: 'sale_not_open', opensAt: new Date(START + 5_000).toISOString(), waitMs: 5_000 },
    ],
    ['loading', { gate: 'rebuilding' }, undefined],
    ['another Redis', { gate: 'stale' }, undefined],
    ['lost', { gate: 'missing' }, undefined],
  ];
  for (const [name, patch, expected] of cases) {
    const { ask, hear } = await buildFilled();
    hear(patch);
    t.same(ask(), expected, name);
  }
});

await t.test('near the edges of its window a sale is stock’s to judge', async (t) => {
  const { ask, hear, advance, advanceBlind } = await buildFilled();
  hear({ opensAt: START + 300, closesAt: START + 700 });
  t.match(ask(), { outcome: 'sale_not_open', waitMs: 300 });
  advance(300);
  t.same(ask(), soldOut, 'it has opened, and the state is young');
  advanceBlind(399);
  t.same(ask(), soldOut);
  advanceBlind(1);
  t.equal(ask(), undefined, 'it may be over: no announcement has said so');

  const slow = await buildFilled();
  slow.hear({ opensAt: START + 105 });
  // Redis looked at its clock at some time within these 10 ms.
  slow.time.read(START + 100, 95, 105);
  slow.advanceBlind(100);
  t.equal(slow.ask(), undefined, 'between the bounds of the clock nothing is certain');
});

await t.test('a state of a second ago is too old, whoever kept it', async (t) => {
  const { ask, hear, advance, advanceBlind, time } = await buildFilled();
  advance(999);
  t.same(ask(), soldOut);
  advanceBlind(1);
  t.equal(ask(), undefined);
  hear();
  t.same(ask(), soldOut);
  time.forget();
  t.equal(ask(), undefined, 'nothing is known while disconnected');
  time.read(START + 1_000, 1_000, 1_000);
  t.same(ask(), soldOut);
  time.read(START + 2_000, 1_000, 1_000);
  t.equal(ask(), undefined, 'Redis’ clock was set forward');
  time.read(START + 900, 1_000, 1_000);
  t.equal(ask(), undefined, 'or back: a state from the future proves that a reading is wrong');
});

await t.test(
  'a sale that nothing happens to is answered as long as stock vouches for its Redis',
  async (t) => {
    const { ask, beat, advance } = await buildFilled();
    for (let count = 0; count < 40; count += 1) {
      advance(250);
      beat();
    }
    t.same(ask(), soldOut, 'ten seconds without an announcement');
    advance(999);
    t.same(ask(), soldOut);
    advance(1);
    t.equal(ask(), undefined, 'no heartbeat for a second');
    beat();
    t.same(ask(), soldOut);
    advance(1_000);
    beat({ salt: 'another-redis' });
    t.equal(ask(), undefined, 'another Redis is vouched for');
    beat();
    t.equal(ask(), undefined, 'and may have been told what this one was not');
  },
);

await t.test('a change that is heard ends what was told before, a second later', async (t) => {
  const { ask, beat, hear, change, advance } = await buildFilled();
  advance(500);
  beat();
  change();
  advance(500);
  beat();
  change({ what: 'reserved' });
  advance(499);
  beat();
  t.same(ask(), soldOut, 'it was true 999 ms ago');
  advance(1);
  beat();
  t.equal(ask(), undefined, 'the second change does not prolong it');
  hear();
  advance(5_000);
  beat();
  t.same(ask(), soldOut, 'announced after the changes');
  change({ at: START });
  advance(5_000);
  beat();
  t.same(ask(), soldOut, 'a change that the state has already');
  change({ saleId: 'pears' });
  advance(5_000);
  beat();
  t.same(ask(), soldOut, 'the change of another sale');
});

await t.test('an announcement that a change overtook is true for a second only', async (t) => {
  const { ask, announcement, memory, beat, change, source, advance } = await buildFilled();
  const early = announcement();
  advance(100);
  change();
  memory.learn(early, source);
  advance(899);
  beat();
  t.same(ask(), soldOut);
  advance(1);
  beat();
  t.equal(ask(), undefined);
  const again = announcement();
  change();
  memory.learn(again, source);
  advance(1_000);
  beat();
  t.equal(ask(), undefined, 'in the same millisecond nobody knows which came first');
});

await t.test('after a break, and before stock was heard, nothing is taken for unchanged', async (t) => {
  const { ask, beat, hear, announcement, memory, source, time, advance } = await buildFilled();
  const before = announcement();
  source.forget();
  advance(500);
  source.begin(START + 500);
  beat();
  advance(500);
  beat();
  t.equal(ask(), undefined, 'it may have changed during the break');
  memory.learn(before, source);
  t.equal(ask(), undefined, 'what was read before the break ended, too');
  advance(1);
  hear();
  advance(5_000);
  beat();
  t.same(ask(), soldOut);
  source.forget();
  time.read(START + 6_001, 6_001, 6_001);
  hear();
  advance(1_000);
  beat();
  t.equal(ask(), undefined, 'Redis has not told the time since: changes may have been missed');
});

await t.test('a node whose slots change vouches for no state of before', async (t) => {
  const { ask, beat, hear, advance } = await buildFilled();
  beat({ node: 'n1', slots: 'a' });
  advance(900);
  beat({ node: 'n1', slots: 'a' });
  t.same(ask(), soldOut);
  beat({ node: 'n1', slots: 'b' });
  advance(100);
  t.equal(ask(), undefined);
  advance(1);
  hear();
  advance(5_000);
  beat({ node: 'n1', slots: 'b' });
  t.same(ask(), soldOut);
});

await t.test('a sale that closes by its window is closed, though nobody announces it', async (t) => {
  const { ask, beat, hear, advance } = await buildFilled();
  hear({ closesAt: START + 5_000 });
  advance(5_000);
  beat({ now: START + 4_999 });
  t.equal(ask(), undefined, 'the last look was before the end');
  beat();
  t.same(ask(), { outcome: 'sale_closed' });
});

await t.test('thousands of sales are remembered, and beyond the bound the newest', async (t) => {
  const { memory, hear } = build();
  const items = [{ sku: 'a', total: 5, available: 0, held: 1 }];
  for (let index = 0; index <= 20_000; index += 1) hear({ saleId: `s-${index}`, items });
  t.equal(memory.fresh('s-0'), undefined, 'the first is forgotten');
  t.ok(memory.fresh('s-1'));
  t.ok(memory.fresh('s-20000'));
  hear({ saleId: 's-1', items });
  hear({ saleId: 'new', items });
  t.equal(memory.fresh('s-2'), undefined);
  t.ok(memory.fresh('s-1'), 'announced again since');
  const many = Array.from({ length: 50 }, (_, index) => ({ ...items[0], sku: `i-${index}` })) as typeof items;
  for (let index = 0; index < 4_000; index += 1) hear({ saleId: `m-${index}`, items: many });
  t.ok(memory.fresh('m-0'), '200,000 items');
  t.equal(memory.fresh('s-20000'), undefined);
  hear({ saleId: 'm-4000', items: many });
  t.equal(memory.fresh('m-0'), undefined);
});

await t.test('a message that was delayed on its way is old when it comes', async (t) => {
  const { ask, announcement, memory, advance, source } = await buildFilled();
  const early = announcement();
  advance(1_500);
  memory.learn(early, source);
  t.equal(ask(), undefined);
});
