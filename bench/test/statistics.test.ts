// Goal: a verdict of the bench is worth its word. Method: synthetic data whose answer is known, from tables
// or by construction; a baseline run that is bent is found.
import t from 'tap';
import { compareSamples, diffFiles } from '../src/compare/diff.ts';
import { FIGURES, figuresOf } from '../src/compare/figures.ts';
import { seededRandom } from '../src/random.ts';
import { Samples } from '../src/compare/samples.ts';
import { mannWhitney, median, ratioInterval, spread } from '../src/statistics.ts';

const near = (actual: number, expected: number, within: number) => Math.abs(actual - expected) <= within;

/** Values of a normal distribution, made by the method of Box and Muller. */
function normal(random: () => number, count: number, mean: number, deviation: number): number[] {
  return Array.from({ length: count }, () => {
    const [u, v] = [1 - random(), random()];
    return mean + deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
}

await t.test('medians, spreads and intervals are those of the textbook', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.equal(spread([90, 100, 110]), 0.2);
  const random = seededRandom(4);
  const [low, high] = ratioInterval(normal(random, 30, 100, 3), normal(random, 30, 150, 3)) ?? [NaN, NaN];
  t.ok(low < 1.5 && high > 1.5 && high - low < 0.1, `${low} to ${high}`);
});

await t.test("Mann-Whitney's p is exact for few values and near it for many", async (t) => {
  // Two of the C(10, 5) = 252 choices are as far apart as these.
  t.ok(near(mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252, 1e-12));
  t.equal(mannWhitney([1, 2, 3], [1, 2, 3]), 1);
  t.equal(mannWhitney([5, 5, 5, 5, 5], [5, 5, 5, 5, 5]), 1, 'ties alone say nothing');
  // n = m = 8, U = 13: two-sided p is 0.0499 (Milton 1964).
  const left = [1, 2, 3, 4, 5, 6, 13, 14];
  const right = [7, 8, 9, 10, 11, 12, 15, 16];
  t.ok(near(mannWhitney(left, right), 0.0499, 0.02), String(mannWhitney(left, right)));
  const random = seededRandom(11);
  const many = Array.from({ length: 200 }, () =>
    mannWhitney(normal(random, 15, 1, 1), normal(random, 15, 1, 1)),
  );
  const falseAlarms = many.filter((p) => p < 0.05).length;
  t.ok(falseAlarms >= 2 && falseAlarms <= 22, `${falseAlarms} of 200 at 5 %`);
});

await t.test('diff tells faster from same, and does not judge too few', async (t) => {
  const random = seededRandom(2);
  const rate = normal(random, 12, 5_000, 100);
  const [faster, same, few] = [
    compareSamples({ rate }, { rate: normal(random, 12, 6_000, 100) }),
    compareSamples({ rate }, { rate: normal(random, 12, 5_000, 100) }),
    compareSamples({ rate: [1, 2, 3] }, { rate: [7, 8, 9] }),
  ];
  t.match(faster, [{ name: 'rate', verdict: 'higher' }]);
  t.ok((faster[0]?.interval?.[0] ?? 0) > 1.1);
  t.match(same, [{ verdict: 'same' }]);
  t.match(few, [{ verdict: 'too few samples' }]);
  t.match(compareSamples({ p99: rate }, { p99: rate.map((value) => value * 0.9) }), [{ verdict: 'lower' }]);
  t.match(
    compareSamples({ rate }, { rate: rate.map((value) => value * 1.001) }),
    [{ verdict: 'same' }],
    'too small',
  );
  t.same(compareSamples({ rate }, { other: rate }), []);
});

await t.test(
  'diff of bursts, most seconds of which are 0, prints numbers and no Infinity or NaN',
  async (t) => {
    const burst = [2_900, 0, 0, 0, 0, 0];
    const busy = [500, 510, 505, 495, 490, 500];
    t.match(compareSamples({ rate: burst }, { rate: burst }), [
      { left: 0, right: 0, ratio: null, interval: null, verdict: 'same' },
    ]);
    const zeros = burst.map(() => 0);
    t.match(compareSamples({ rate: zeros }, { rate: busy }), [
      { ratio: null, interval: null, verdict: 'higher' },
    ]);
    t.match(compareSamples({ rate: busy }, { rate: zeros }), [
      { ratio: 0, interval: [0, 0], verdict: 'lower' },
    ]);
    // The ratio has no bounds, though not every resample of the baseline has a median of 0.
    t.match(compareSamples({ rate: [0, 0, 0, 9, 9, 9, 9] }, { rate: burst }), [{ interval: null }]);
    const folder = t.testdir({
      'a.json': JSON.stringify({ schemaVersion: 1, samples: { rate: burst, zeros, busy } }),
      'b.json': JSON.stringify({ schemaVersion: 1, samples: { rate: busy, zeros: busy, busy: zeros } }),
      'other.json': JSON.stringify({ schemaVersion: 1, samples: { rate: [1, null] } }),
      'broken.json': '{',
    });
    for (const [left, right] of [
      ['a', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const lines = diffFiles(`${folder}/${left}.json`, `${folder}/${right}.json`);
      t.equal(lines.length, 5);
      t.notMatch(lines.join('\n'), /Infinity|NaN|null|undefined/);
    }
    for (const file of ['other', 'broken', 'missing']) {
      t.throws(
        () => diffFiles(`${folder}/a.json`, `${folder}/${file}.json`),
        { code: 'SECKILL_USAGE' },
        file,
      );
    }
  },
);

await t.test(
  'the figures are the twelve of the table, most of them ratios of medians, judged on the right side',
  async (t) => {
    t.same(
      FIGURES.map(({ name }) => name),
      [
        'accepted_vs_postgres_row',
        'accepted_vs_unbatched',
        'accepted_vs_plain',
        'sold_out_vs_plain',
        'read_vs_sold_out',
        'p99_vs_plain',
        'script_vs_minimal',
        'intake_vs_accepted',
        'rebuild_orders_per_second',
        'million_holds',
        'bytes_per_hold',
        'order_lag_p99_ms',
      ],
    );
    const samples = new Samples();
    for (const value of [10, 30, 20]) samples.add('product', value);
    for (const value of [4, 4, 2]) samples.add('postgres-row', value);
    samples.add('bytes', 301);
    samples.add('order lag', 999);
    const figures = figuresOf(samples, [
      'accepted_vs_postgres_row',
      'bytes_per_hold',
      'order_lag_p99_ms',
      'million_holds',
    ]);
    t.same(figures, [
      { name: 'accepted_vs_postgres_row', value: 5, target: 5, met: true, spread: (10 - 2.5) / 5 },
      { name: 'million_holds', value: null, target: 0.9, met: false, spread: null },
      { name: 'bytes_per_hold', value: 301, target: 300, met: false, spread: null },
      { name: 'order_lag_p99_ms', value: 999, target: 1_000, met: true, spread: null },
    ]);
  },
);
