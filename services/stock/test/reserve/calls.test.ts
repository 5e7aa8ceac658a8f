// Goal: each request of a batch is decided in one call, in its place and in order beside those of its lane.
// Method: batches of several lanes, one of them longer than a call takes.
import type { ReserveItem } from '@seckill/contracts';
import t from 'tap';
import { RESERVE_CALL_COUNT_MAX, splitIntoCalls } from '../../src/reserve/calls.ts';

const laneFor = ({ saleId }: ReserveItem) => ({ saleId, lane: 0 });

function itemsOf(saleIds: string[]): ReserveItem[] {
  return saleIds.map((saleId, index) => ({
    saleId,
    userId: `user-${index}`,
    idempotencyKey: `key-${index}`,
    lines: [{ sku: 'a', quantity: 1 }],
  }));
}

await t.test('lanes that alternate are gathered, and every request keeps its place', async (t) => {
  const items = itemsOf(['a', 'b', 'a', 'c', 'b', 'a']);
  const calls = splitIntoCalls(items, laneFor);
  t.same(
    calls.map(({ lane, indexes }) => [lane.saleId, indexes]),
    [
      ['a', [0, 2, 5]],
      ['b', [1, 4]],
      ['c', [3]],
    ],
  );
  for (const call of calls) {
    t.same(
      call.items,
      call.indexes.map((index) => items[index]),
    );
  }
});

await t.test('a call takes no more than its limit; the rest of its lane goes into the next', async (t) => {
  const count = 2 * RESERVE_CALL_COUNT_MAX + 1;
  // A request of another lane comes in between, which closes no call.
  const saleIds = Array.from({ length: count }, () => 'a').toSpliced(10, 0, 'b');
  const calls = splitIntoCalls(itemsOf(saleIds), laneFor);
  t.same(
    calls.map(({ lane, items }) => [lane.saleId, items.length]),
    [
      ['a', RESERVE_CALL_COUNT_MAX],
      ['b', 1],
      ['a', RESERVE_CALL_COUNT_MAX],
      ['a', 1],
    ],
  );
  const ofA = calls.filter(({ lane }) => lane.saleId === 'a').flatMap(({ indexes }) => indexes);
  t.same(
    ofA,
    [...ofA].sort((left, right) => left - right),
    'in order',
  );
  t.same(
    calls.flatMap(({ indexes }) => indexes).sort((left, right) => left - right),
    saleIds.map((_, index) => index),
    'each once',
  );
});

await t.test('an empty batch makes no call', async (t) => {
  t.same(splitIntoCalls([], laneFor), []);
});
