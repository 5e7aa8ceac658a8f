// Goal: prove the judge. A consistent reading holds; each count that is bent, and each missed threshold, is
// told, with the exit code that goes with it. Method: readings and results made by hand; no engine, no
// generator.
import t from 'tap';
import { parseStat } from '../../src/measure/cpu.ts';
import type { LoadResult } from '../../src/generator/generator-process.ts';
import { History } from '../../src/audit/history.ts';
import { exitCodeOf } from '../../src/run/summary.ts';
import { judgeThresholds } from '../../src/measure/thresholds.ts';
import { judgeReading } from '../../src/audit/verdict.ts';
import { consistentReading } from '../support/reading.ts';

function facts() {
  const { reading, history } = consistentReading();
  const kafka = new Set(history.promised.keys());
  return { reading, history, kafka };
}

await t.test('a reading in which all is well holds, and each bent count breaks it', async (t) => {
  const { reading, history, kafka } = facts();
  const verdict = judgeReading(reading, history, kafka, 0);
  t.same(verdict.findings, []);
  t.match(verdict, {
    scope: 'engines',
    holds: true,
    oversold: 0,
    counts: { total: 3, accepted: 4, holds: 4, kafka: 4, rows: 4 },
  });

  const bends: [string, RegExp, (one: ReturnType<typeof facts>) => void][] = [
    ['a message that Kafka lost', /not in Kafka/, ({ kafka }) => kafka.delete([...kafka][0] ?? '')],
    ['a message of nobody', /Kafka 5/, ({ kafka }) => kafka.add('s.0.stranger')],
    ['a row that is missing', /has no row/, ({ reading }) => reading.sales[0]?.orders.pop()],
    [
      'a hold that is missing',
      /differ|without a pending order/,
      ({ reading }) => reading.sales[0]?.lane.holds.clear(),
    ],
    [
      'a unit too many',
      /INV-1/,
      ({ reading }) => {
        const [sale] = reading.sales;
        if (sale !== undefined) sale.ledger = [{ sku: 'a', total: 2, sold: 3 }];
      },
    ],
    ['a dead letter', /dead letters/, ({ reading }) => (reading.deadLetters = 1)],
    ['a key with two answers', /INV-4/, ({ history }) => history.contradictions.push('two answers')],
    [
      'a reservation without an answer',
      /definite answer/,
      ({ history }) => {
        history.unresolved.push({ saleId: 's', idempotencyKey: 'k' });
      },
    ],
  ];
  for (const [name, finding, bend] of bends) {
    const bent = facts();
    bend(bent);
    const broken = judgeReading(bent.reading, bent.history, bent.kafka, 0);
    t.equal(broken.holds, false, name);
    t.ok(
      broken.findings.some((text) => finding.test(text)),
      `${name}: ${broken.findings.join('; ')}`,
    );
    t.equal(exitCodeOf(broken.holds, [{ met: true }], []), 1, name);
  }
});

await t.test('dead letters of an earlier time are not held against a run', async (t) => {
  const { reading, history, kafka } = facts();
  reading.deadLetters = 7;
  t.same(judgeReading(reading, history, kafka, 7).findings, []);
});

await t.test('units sold beyond the total are counted', async (t) => {
  const { reading, history, kafka } = facts();
  const [sale] = reading.sales;
  if (sale !== undefined) sale.ledger = [{ sku: 'a', total: 1, sold: 1 }];
  t.equal(judgeReading(reading, history, kafka, 0).oversold, 2);
  t.equal(new History().promised.size, 0);
});

const latency = { count: 100, p50: 1_000, p90: 2_000, p99: 40_000, p999: 50_000, max: 60_000 };

function result(changes: Partial<LoadResult>): LoadResult {
  return {
    sent: 100,
    answered: 100,
    lost: 0,
    dropped: 0,
    late: 0,
    whole: { answered: 100, accepted: 50, outcomes: { reserved: 50, sold_out: 49, overloaded: 1 } },
    acceptedByRepeat: 0,
    seconds: 1,
    window: { answered: 100, accepted: 50, outcomes: { reserved: 50, sold_out: 49, overloaded: 1 } },
    answeredPerSecond: 100,
    acceptedPerSecond: 50,
    latency: { all: latency, accepted: latency },
    utilization: 0.1,
    whyInvalid: [],
    samples: [],
    ...changes,
  };
}

const lag = { count: 10, p50: 5, p99: 900, max: 950, missing: 0 };

await t.test('thresholds are judged where they are asked for', async (t) => {
  const limits = { p99Ms: 40, errorRate: 0.01, orderLagP99Ms: 900 };
  t.ok(
    judgeThresholds(limits, result({}), 0, lag).every(({ met }) => met),
    'at the limit',
  );
  const missed = (...judged: Parameters<typeof judgeThresholds>) =>
    judgeThresholds(...judged).flatMap(({ name, met }) => (met ? [] : [name]));
  t.same(missed({ ...limits, p99Ms: 39 }, result({}), 0, lag), ['p99_ms']);
  t.same(missed({ ...limits, errorRate: 0.009 }, result({}), 0, lag), ['error_rate']);
  // Before, one of 100 answers was a failure. Now one of 101 arrivals is one as well.
  t.same(missed(limits, result({ dropped: 1 }), 0, lag), ['error_rate'], 'an arrival that was dropped');
  t.same(missed(limits, result({}), 1, lag), ['oversold']);
  t.same(missed({ orderLagP99Ms: 899 }, result({}), 0, lag), ['order_lag_p99_ms']);
  t.same(
    missed(limits, result({}), 0, { ...lag, missing: 1 }),
    ['order_lag_p99_ms'],
    'an order that never came',
  );
  const silent = result({ window: { answered: 0, accepted: 0, outcomes: {} } });
  t.same(missed({ errorRate: 0.5 }, silent, 0, undefined), ['error_rate'], 'no answer at all');
  t.same(
    judgeThresholds({}, result({}), 0, undefined).map(({ name }) => name),
    ['oversold'],
    'always',
  );
});

await t.test('exit codes: 0 good, 99 missed or not valid, 1 broken before all', async (t) => {
  t.equal(exitCodeOf(true, [{ met: true }], []), 0);
  t.equal(exitCodeOf(true, [{ met: true }, { met: false }], []), 99);
  t.equal(exitCodeOf(true, [{ met: true }], ['the generator was busy']), 99);
  t.equal(exitCodeOf(false, [{ met: false }], []), 1);
});

await t.test('processor time and memory are read from the right fields', async (t) => {
  const stat =
    '42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 11 0 100 1000 256 18446744073709551615';
  t.same(parseStat(stat), { parent: 7, seconds: 2.5, rssBytes: 256 * 4_096 });
});
