// Goal: ids and partitions are stable names; method: fixed examples, since a change here orphans stored data.
import t from 'tap';
import {
  fnv1a,
  formatInstant,
  formatReservationId,
  laneOf,
  parseInstant,
  parseReservationId,
  partitionOf,
  TOPICS,
} from '../src/index.ts';

await t.test('a reservation id names its sale and lane and survives the round trip', async (t) => {
  const parts = { saleId: 'oranges-2000', lane: 0, suffix: 'abcDEF_-0123456789zzzz' };
  const id = formatReservationId(parts);
  t.equal(id, 'oranges-2000.0.abcDEF_-0123456789zzzz');
  t.same(parseReservationId(id), parts);
});

await t.test('what is not a reservation id parses to nothing', async (t) => {
  for (const id of [
    '',
    'a.0',
    'a.0.short',
    'A.0.abcdefghijklmnop',
    'a.x.abcdefghijklmnop',
    'a.0.abcdefghijklmnop.',
  ]) {
    t.equal(parseReservationId(id), undefined, id);
  }
});

await t.test('hashes match the published FNV-1a vectors', async (t) => {
  t.equal(fnv1a(''), 0x811c9dc5);
  t.equal(fnv1a('a'), 0xe40c292c);
  t.equal(fnv1a('foobar'), 0xbf9cf968);
});

await t.test('lanes and partitions stay within their count and spread', async (t) => {
  const partitions = new Set<number>();
  for (let index = 0; index < 1_000; index += 1) {
    partitions.add(partitionOf(TOPICS.reservations, `sale.0.${index}`));
    t.ok(laneOf(`u${index}`, 3) < 3);
  }
  t.equal(partitions.size, TOPICS.reservations.partitions);
});

await t.test('an instant that does not exist is refused, a real one keeps its milliseconds', async (t) => {
  t.equal(parseInstant('2026-02-31T00:00:00Z'), undefined);
  t.equal(parseInstant('2026-13-01T00:00:00Z'), undefined);
  const at = parseInstant('2026-11-22T12:00:00.120Z');
  t.ok(at);
  t.equal(formatInstant(at ?? 0), '2026-11-22T12:00:00.120Z');
});
