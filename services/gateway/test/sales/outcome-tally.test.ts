// Goal: answers are counted by sale and outcome, and no crowd of names makes the counts of a sale that sells
// go away or the memory grow. Method: the tally by itself, with names made up.
import { test } from 'tap';
import { OutcomeTally } from '../../src/sales/outcome-tally.ts';

await test('answers are counted by sale and outcome', async (t) => {
  let now = 5;
  const tally = new OutcomeTally(() => now);
  for (const outcome of ['reserved', 'sold_out', 'sold_out']) tally.add('pears', outcome);
  tally.add('plums', 'reserved');
  const first = tally.read('pears');
  t.match(first, { saleId: 'pears', atMs: 5, outcomes: { reserved: 1, sold_out: 2 } });
  now = 1_005;
  tally.add('pears', 'reserved');
  t.same(tally.read('pears'), { ...first, atMs: 1_005, outcomes: { reserved: 2, sold_out: 2 } });
  t.same(tally.read('none').outcomes, {});
  t.not(new OutcomeTally(() => 0).read('pears').gateway, first.gateway, 'another process has another name');
});

await test('sales that nobody made are not counted, and of many sales the last ones are', async (t) => {
  const tally = new OutcomeTally(() => 0);
  tally.add('pears', 'reserved');
  for (let index = 0; index < 1_000; index += 1) tally.add(`guess-${index}`, 'sale_unavailable');
  t.same(tally.read('pears').outcomes, { reserved: 1 });
  t.same(tally.read('guess-1').outcomes, {});
  const unproven = ['outcome_unknown', 'overloaded', 'invalid_request', 'internal'];
  for (let index = 0; index < 1_000; index += 1) tally.add(`guess-${index}`, unproven[index % 4] ?? '');
  t.same(tally.read('pears').outcomes, { reserved: 1 }, 'also while stock is slow or away');
  tally.add('pears', 'sale_unavailable');
  t.same(tally.read('pears').outcomes, { reserved: 1, sale_unavailable: 1 }, 'of a sale that is known');
  tally.add('old', 'reserved');
  for (let index = 0; index < 199; index += 1) {
    tally.add(`sale-${index}`, 'reserved');
    tally.read('pears');
  }
  t.same(tally.read('pears').outcomes, { reserved: 1, sale_unavailable: 1 }, 'who is looked at stays');
  t.same(tally.read('old').outcomes, {}, 'the one that was asked for longest ago made room');
});
