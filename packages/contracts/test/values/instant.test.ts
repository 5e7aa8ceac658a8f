// Goal: an instant is written as Date writes it, whichever instant was written before.
// Method: random and edge instants in random order, many of them in the second of their predecessor.
import t from 'tap';
import { formatInstant } from '../../src/index.ts';

await t.test('as Date writes it, in any order', async (t) => {
  const edges = [
    0,
    -1,
    -999,
    -1_000,
    -1_001,
    1.9,
    -1.9,
    8.64e15,
    -8.64e15,
    Date.UTC(10_000, 0, 1),
    999,
    1_000,
  ];
  let at = 0;
  const random = Array.from({ length: 20_000 }, (_, index) => {
    at =
      index % 4 === 0 ? Math.floor((Math.random() - 0.5) * 4e12) : at + Math.floor(Math.random() * 400) - 200;
    return at;
  });
  const wrong = [...edges, ...random].filter((one) => formatInstant(one) !== new Date(one).toISOString());
  t.strictSame(wrong, []);
  t.equal(formatInstant(new Date(5)), '1970-01-01T00:00:00.005Z');
});

await t.test('what is no instant throws, also twice', async (t) => {
  for (const no of [Number.NaN, Number.NaN, 8.64e15 + 1_000, Number.POSITIVE_INFINITY]) {
    t.throws(() => formatInstant(no), RangeError, String(no));
  }
  t.equal(formatInstant(7), '1970-01-01T00:00:00.007Z');
});
