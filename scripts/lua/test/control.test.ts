// Goal: control states are absolute and versioned, so repeats and reordering are harmless; counts stay
// conserved.
// Method: versions repeated and reordered; totals raised and lowered around what is held and paid;
// inspect.lua's view.
import t from 'tap';
import { connect, FUTURE, makeLane, openLane, PAST } from './support/lane.ts';

const redis = await connect(t);
const items = (total: number) => [
  { sku: 'a', price: 2_990, total },
  { sku: 'b', price: 10, total: 100 },
];

await t.test('only a higher version is applied; an equal or lower one changes nothing', async (t) => {
  const lane = await openLane(t, { version: 5 }, [], redis);
  t.same(await lane.control({ version: 7, state: 'paused' }), ['applied', 'open', 1, 7]);
  const before = await lane.dump();
  for (const version of [7, 6, 5, 1]) {
    t.same(await lane.control({ version, state: 'open', items: items(9) }), ['current', 'open', 1, 7]);
  }
  t.same(await lane.dump(), before, 'a delayed resume does not undo the pause');
  t.same(await lane.control({ version: 8, state: 'open' }), ['applied', 'open', 1, 8]);
  t.equal((await lane.reserve())[0], 'reserved');
});

await t.test('a restock is an absolute total: available grows by the difference, once', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve({ lines: [['a', 2]] });
  await lane.control({ version: 2, items: items(10) });
  t.same(await lane.item('a'), [10, 8, 2, 0]);
  await lane.control({ version: 2, items: items(10) });
  t.same(await lane.item('a'), [10, 8, 2, 0]);
  await lane.control({ version: 3, items: items(2) });
  t.same(await lane.item('a'), [2, 0, 2, 0], 'down to what is held');
});

await t.test(
  'a total below what is held and paid is refused, and nothing of that state is applied',
  async (t) => {
    const lane = await openLane(t, {}, [], redis);
    await lane.reserve({ lines: [['a', 2]] });
    const before = await lane.dump();
    t.same(await lane.control({ version: 2, state: 'closed', items: items(1) }), ['total_too_low', 'a', 2]);
    t.same(await lane.dump(), before, 'INV-1');
  },
);

await t.test('a state that does not name every item of the lane is refused', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  const before = await lane.dump();
  t.same(await lane.control({ version: 2, items: items(3).slice(0, 1) }), ['item_missing', 'b']);
  t.same(await lane.dump(), before);
});

await t.test('window, limit, hold, price, new items and new channels come with a version', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve({ channel: 'x' });
  await lane.control({
    version: 2,
    limitPerBuyer: 4,
    holdMs: 60_000,
    items: [...items(3), { sku: 'c', price: 7, total: 5 }],
    channels: [{ id: 'x' }, { id: 'free', cap: 1 }, { id: 'new', cap: 2 }],
  });
  t.same(await lane.item('c'), [5, 5, 0, 0]);
  t.match(await lane.redis.hgetall(lane.keys.state), {
    'x:cap': '',
    'x:units': '1',
    'free:cap': '1',
    'free:units': '0',
    'new:cap': '2',
    'new:units': '0',
  });
  t.same(await lane.reserve({ lines: [['c', 4]] }), ['limit_reached', 4, 1, 1, '']);
  t.equal((await lane.reserve({ channel: 'new', lines: [['c', 2]] }))[0], 'reserved');
});

await t.test('a paused item is refused by its line, the other items go on, and it sells again', async (t) => {
  const [a, b] = items(3);
  const paused = [
    { ...a, sku: 'a', price: 2_990, total: 3, paused: true as const },
    { ...b, sku: 'b', price: 10, total: 100 },
  ];
  const lane = await openLane(t, { items: paused }, [], redis);
  t.equal((await lane.inspect())[14], 'a', 'it comes with the load');
  t.same(await lane.reserve(), ['item_paused', 'a', 1, 'a', 'item_paused', 3]);
  const both = await lane.reserve({
    lines: [
      ['b', 101],
      ['a', 4],
    ],
  });
  t.same(both, ['item_paused', 'a', 0, 'b', 'sold_out', 100, 'a', 'item_paused', 3], 'each line says why');
  t.equal((await lane.reserve({ lines: [['b', 1]] }))[0], 'reserved');
  await lane.control({ version: 2 });
  t.equal((await lane.reserve())[0], 'reserved', 'resumed');
  await lane.control({ version: 3, items: paused });
  await lane.redis.hdel(lane.keys.state, 'paused_skus');
  t.equal((await lane.reserve())[0], 'reserved', 'a lane of an older build has no such field');
});

await t.test('an item may be sold in some quantities only', async (t) => {
  const rules = [
    { sku: 'a', price: 1, total: 30, step: 6 },
    { sku: 'b', price: 1, total: 30, minQuantity: 4 },
    { sku: 'c', price: 1, total: 30, minQuantity: 12, step: 6 },
  ];
  const lane = await openLane(t, { items: rules }, [], redis);
  t.equal((await lane.inspect())[15], 'a:6:6 b:4:1 c:12:6', 'they come with the load');
  const allowed = async (sku: string) => {
    const found: number[] = [];
    for (let quantity = 1; quantity <= 18; quantity += 1) {
      const [outcome] = await lane.reserve({
        user: `u${sku}${quantity}`,
        lines: [[sku, quantity]],
        deadline: 0,
      });
      if (outcome === 'late') found.push(quantity);
      else t.equal(outcome, 'quantity_not_allowed');
    }
    return found;
  };
  t.same(await allowed('a'), [6, 12, 18]);
  t.same((await allowed('b'))[0], 4);
  t.same(await allowed('c'), [12, 18]);
  t.same(
    await lane.reserve({
      lines: [
        ['b', 31],
        ['c', 6],
        ['a', 7],
      ],
    }),
    [
      'quantity_not_allowed',
      'c',
      12,
      6,
      'b',
      'sold_out',
      30,
      'c',
      'quantity_not_allowed',
      30,
      'a',
      'quantity_not_allowed',
      30,
    ],
  );
  t.equal(
    (
      await lane.reserve({
        lines: [
          ['a', 6],
          ['b', 5],
        ],
      })
    )[0],
    'reserved',
  );
  await lane.control({ version: 2, items: rules.map(({ sku, price, total }) => ({ sku, price, total })) });
  t.equal((await lane.reserve({ lines: [['a', 1]] }))[0], 'reserved');
});

const lowered = (id: string, quantity: number, total = 3) => ({
  items: [
    { sku: 'a', price: 2_990, total, adjustment: { id, quantity } },
    { sku: 'b', price: 10, total: 100 },
  ],
});

await t.test('an adjustment takes what is available, once, and never what is held or paid', async (t) => {
  const lane = await openLane(t, {}, [], redis);
  await lane.reserve({ lines: [['a', 1]] });
  t.same(await lane.control({ version: 2, ...lowered('x', 5) }), ['applied', 'open', 1, 2, 'x', 2]);
  t.same(await lane.item('a'), [1, 0, 1, 0]);
  const before = await lane.dump();
  for (const version of [2, 1]) {
    const repeat = await lane.control({ version, ...lowered('x', 5) });
    t.same(repeat, ['current', 'open', 1, 2, 'x', 2], 'a repeat tells the same');
  }
  t.same(await lane.control({ version: 2, ...lowered('y', 1) }), ['current', 'open', 1, 2], 'not this one');
  t.same(await lane.dump(), before);
  // A control state that was decided meanwhile names the total from before the adjustment. This control state
  // gives nothing back.
  t.same(await lane.control({ version: 3, state: 'paused', ...lowered('x', 5) }), [
    'applied',
    'open',
    1,
    3,
    'x',
    2,
  ]);
  t.same(await lane.item('a'), [1, 0, 1, 0]);
  t.same(await lane.control({ version: 4, ...lowered('x', 5, 7) }), ['applied', 'open', 1, 4, 'x', 2]);
  t.same(await lane.item('a'), [5, 4, 1, 0], 'a restock of four');
  t.same(await lane.control({ version: 5, items: items(5) }), ['applied', 'open', 1, 5]);
  t.same(await lane.item('a'), [5, 4, 1, 0], 'order has lowered its total');
  t.equal(await lane.redis.hexists(lane.keys.state, 'a:adjusted'), 0);
  t.same(await lane.control({ version: 6, ...lowered('z', 1, 5) }), ['applied', 'open', 1, 6, 'z', 1]);
  t.same(await lane.control({ version: 7, ...lowered('q', 9, 4) }), ['applied', 'open', 1, 7, 'q', 3]);
  t.same(await lane.item('a'), [1, 0, 1, 0]);
  t.same(
    await lane.control({ version: 8, ...lowered('n', 9, 1) }),
    ['applied', 'open', 1, 8, 'n', 0],
    'nothing is left',
  );
});

await t.test(
  'a load takes no adjustment and forgets those of before; the next version takes it',
  async (t) => {
    const lane = await openLane(t, {}, [], redis);
    await lane.control({ version: 2, ...lowered('x', 2) });
    await lane.close({ force: true });
    t.same(await lane.loadChunk({ epoch: 2, control: { version: 2, ...lowered('x', 2) } }), ['loaded', 0]);
    t.same(await lane.item('a'), [3, 3, 0, 0]);
    await lane.open(2);
    t.same(
      await lane.control({ version: 2, ...lowered('x', 2) }),
      ['current', 'open', 2, 2],
      'order hears that it is not taken',
    );
    await lane.reserve({ lines: [['a', 2]] });
    t.same(
      await lane.control({ version: 3, ...lowered('x', 2) }),
      ['applied', 'open', 2, 3, 'x', 1],
      'decided anew',
    );
  },
);

await t.test('control works under any gate of a loaded lane, and tells the gate', async (t) => {
  const lane = await makeLane(t, redis);
  t.same(await lane.control({ version: 2 }), ['missing']);
  await lane.close();
  t.same(await lane.control({ version: 2 }), ['not_loaded']);
  await lane.loadChunk({ epoch: 4, isLast: false });
  t.same(
    await lane.control({ version: 2 }),
    ['not_loaded'],
    'a half-loaded lane has no counts to compare with',
  );
  await lane.loadChunk({ epoch: 4, chunk: 1 });
  t.same(await lane.control({ version: 2, state: 'paused' }), ['applied', 'rebuilding', 4, 2]);
  await lane.open(4);
  t.same(await lane.reserve(), ['sale_paused'], 'what was decided before opening holds after it');
  t.same(await lane.control({ version: 3 }, 'later'), ['applied', 'stale', 4, 3]);
});

await t.test('inspect tells a missing, a half-loaded, an open and a stale lane apart', async (t) => {
  const lane = await makeLane(t, redis);
  t.match(await lane.inspect(), ['missing', Number]);
  // What is left of a lane may be of another type: the lane must be seen, or nobody loads it.
  for (const key of [lane.keys.holds, lane.keys.outbox]) await redis.set(key, 'garbage');
  t.match(await lane.inspect(), ['missing', Number, 0, 0]);
  for (const key of [lane.keys.holds, lane.keys.outbox]) await redis.del(key);
  await lane.close();
  t.match(await lane.inspect(), ['rebuilding', Number, 0, 0, 0, 0, '', 0, 0, 0]);
  await lane.loadChunk({ epoch: 2, isLast: false });
  t.match(await lane.inspect(), ['rebuilding', Number, 2, 1, 0, 0, 'open', PAST, FUTURE, 0]);
  await lane.loadChunk({ epoch: 2, chunk: 1 });
  t.match(await lane.inspect(), ['rebuilding', Number, 2, 1, 0, 1, 'open']);
  await lane.open(2);
  await lane.reserve({ lines: [['a', 2]] });
  const answer = await lane.inspect();
  t.match(answer, ['open', Number, 2, 1, 1, 1, 'open', PAST, FUTURE, 1, 1, 0]);
  t.same(answer.slice(12, 18), ['', '50', '', '', '', ''], 'the lowest cap, and no rule');
  t.same(answer.slice(18, 20), ['', 0], 'no server, and nothing is missing');
  const counts = answer.slice(20);
  t.equal(counts.length, 10);
  const index = counts.indexOf('a');
  t.same(counts.slice(index, index + 5), ['a', 3, 1, 2, 0]);
  t.equal((await lane.inspect('later'))[0], 'stale');
});
