// Goal: ids and partitions are stable names; method: fixed examples, since a change here orphans stored data.
import t from 'tap';
import { Compile } from 'typebox/compile';
import {
  fnv1a,
  formatInstant,
  formatReservationId,
  InstantInput,
  laneOf,
  parseInstant,
  parseReservationId,
  partitionOf,
  TOPICS,
} from '../../src/index.ts';

await t.test('a reservation id names its sale and lane and survives the round trip', async (t) => {
  const parts = { saleId: 'oranges-2000', lane: 0, suffix: 'abcDEF_-0123456789zzzz' };
  const id = formatReservationId(parts);
  t.equal(id, 'oranges-2000.0.abcDEF_-0123456789zzzz');
  t.same(parseReservationId(id), parts);
});

await t.test('a text that is not a reservation id parses to nothing', async (t) => {
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

await t.test('an instant with an offset is the same instant in UTC', async (t) => {
  const isInput = Compile(InstantInput);
  const written = [
    ['2026-11-22T20:00:00+08:00', '2026-11-22T12:00:00.000Z'],
    ['2026-11-22T20:00:00.123456+08:00', '2026-11-22T12:00:00.123Z'],
    ['2026-01-01T00:30:00-03:30', '2026-01-01T04:00:00.000Z'],
    ['2028-02-29T23:59:59.5+00:00', '2028-02-29T23:59:59.500Z'],
    ['2028-03-01T07:00:00+08:00', '2028-02-29T23:00:00.000Z'],
  ] as const;
  for (const [text, utc] of written) {
    t.ok(isInput.Check(text), text);
    t.equal(formatInstant(parseInstant(text) ?? 0), utc, text);
  }
  for (const text of [
    '2026-02-29T00:00:00+08:00',
    '2026-11-22T24:00:00+08:00',
    '2026-11-22T12:00:00+24:00',
  ]) {
    t.equal(parseInstant(text), undefined, text);
  }
  t.equal(parseInstant('9999-12-31T23:59:59-12:00'), undefined, 'the year 10000 has no form on our wire');
  for (const text of [
    '2026-11-22T12:00:00',
    '2026-11-22 12:00:00Z',
    '2026-11-22T12:00:00+0800',
    '2026-11-22',
  ]) {
    t.notOk(isInput.Check(text), text);
  }
});

await t.test('an instant that does not exist is refused, a real one keeps its milliseconds', async (t) => {
  t.equal(parseInstant('2026-02-31T00:00:00Z'), undefined);
  t.equal(parseInstant('2026-13-01T00:00:00Z'), undefined);
  const at = parseInstant('2026-11-22T12:00:00.120Z');
  t.ok(at);
  t.equal(formatInstant(at ?? 0), '2026-11-22T12:00:00.120Z');
});
