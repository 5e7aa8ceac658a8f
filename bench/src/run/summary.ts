import { Type, type Static } from 'typebox';
import type { Environment } from '../target/environment.ts';
import type { RunResult } from './run.ts';
import { judgeThresholds, type ThresholdLimits } from '../measure/thresholds.ts';

/** The version is raised when a field changes its meaning or goes away. */
export const SUMMARY_VERSION = 2;

const Count = Type.Integer({ minimum: 0 });
const Figures = Type.Record(Type.String(), Type.Number());
const Nullable = Type.Union([Type.Number(), Type.Null()]);
const Latency = Type.Object({
  count: Count,
  p50: Type.Number(),
  p90: Type.Number(),
  p99: Type.Number(),
  p999: Type.Number(),
  max: Type.Number(),
});

/** `summary.json` of one run. Latencies are in µs unless the name says ms. */
export const Summary = Type.Object({
  schemaVersion: Type.Literal(SUMMARY_VERSION),
  scenario: Type.String(),
  startedAt: Type.String(),
  environment: Type.Object({
    cpu: Type.String(),
    cores: Count,
    memoryMegabytes: Count,
    os: Type.String(),
    node: Type.String(),
    loadAverage: Type.Number(),
    commit: Type.String(),
    target: Type.Union([Type.Literal('own'), Type.Literal('running'), Type.Literal('foreign')]),
    engines: Type.Record(Type.String(), Type.String()),
  }),
  model: Type.Unknown(),
  seed: Count,
  exitCode: Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(99)]),
  /** Why the latencies are not to be believed. An empty list means that they are. */
  whyInvalid: Type.Array(Type.String()),
  /** Counts are of the whole run; rates and latencies of its measured seconds. */
  load: Type.Object({
    sent: Count,
    answered: Count,
    lost: Count,
    dropped: Count,
    late: Count,
    /** First answers that were 201, and reservations that only a repeat told of. */
    accepted: Count,
    acceptedByRepeat: Count,
    measuredSeconds: Type.Number(),
    answeredPerSecond: Type.Number(),
    acceptedPerSecond: Type.Number(),
    outcomes: Figures,
    latency: Type.Object({ all: Latency, accepted: Latency }),
    /** Share of one core. */
    generatorUtilization: Type.Number(),
  }),
  orderLagMs: Type.Union([
    Type.Object({
      count: Count,
      p50: Nullable,
      p99: Nullable,
      max: Nullable,
      missing: Count,
    }),
    Type.Null(),
  ]),
  /** CPU per process in the measured window: seconds, and µs for each answer. */
  cpu: Type.Record(Type.String(), Type.Object({ seconds: Type.Number(), perAnswerUs: Type.Number() })),
  figures: Figures,
  verdict: Type.Object({
    scope: Type.Union([Type.Literal('engines'), Type.Literal('http')]),
    holds: Type.Boolean(),
    counts: Figures,
    oversold: Count,
    findings: Type.Array(Type.String()),
  }),
  thresholds: Type.Array(
    Type.Object({ name: Type.String(), limit: Type.Number(), value: Nullable, met: Type.Boolean() }),
  ),
  /** Units for sale when the load began. */
  unitsAtStart: Count,
  points: Type.Array(
    Type.Object({
      second: Count,
      offered: Count,
      answered: Count,
      accepted: Count,
      dropped: Count,
      late: Count,
      inFlight: Count,
      outcomes: Figures,
      p50: Nullable,
      // Summaries written before 2026-11-23 do not have this field.
      p90: Type.Optional(Nullable),
      p99: Nullable,
      p999: Type.Optional(Nullable),
      unitsLeft: Nullable,
      orderLagP99Ms: Nullable,
      outbox: Nullable,
    }),
  ),
  /** The samples that `diff` compares: measurements of the same thing, one after the other. */
  samples: Type.Record(Type.String(), Type.Array(Type.Number())),
});
export type Summary = Static<typeof Summary>;

export interface SummaryParts {
  scenario: string;
  startedAt: string;
  environment: Environment;
  seed: number;
  limits: ThresholdLimits;
  result: RunResult;
}

export function summarize({ scenario, startedAt, environment, seed, limits, result }: SummaryParts): Summary {
  const { load, orderLag, cpuSeconds, extra, verdict, points, plan } = result;
  const thresholds = judgeThresholds(limits, load, verdict.oversold, orderLag);
  const { window, latency, whyInvalid } = load;
  return {
    schemaVersion: SUMMARY_VERSION,
    scenario,
    startedAt,
    environment,
    model: plan.model,
    seed,
    exitCode: exitCodeOf(verdict.holds, thresholds, whyInvalid),
    whyInvalid,
    load: {
      sent: load.sent,
      answered: load.answered,
      lost: load.lost,
      dropped: load.dropped,
      late: load.late,
      accepted: load.whole.accepted,
      acceptedByRepeat: load.acceptedByRepeat,
      measuredSeconds: load.seconds,
      answeredPerSecond: load.answeredPerSecond,
      acceptedPerSecond: load.acceptedPerSecond,
      outcomes: load.whole.outcomes,
      latency,
      generatorUtilization: load.utilization,
    },
    orderLagMs: orderLag ?? null,
    cpu: Object.fromEntries(
      Object.entries(cpuSeconds).map(([name, seconds]) => [
        name,
        { seconds, perAnswerUs: (seconds * 1e6) / Math.max(1, window.answered) },
      ]),
    ),
    figures: extra.figures,
    verdict: { ...verdict, counts: { ...verdict.counts } },
    // JSON knows no infinity.
    thresholds: thresholds.map((one) => ({ ...one, value: Number.isFinite(one.value) ? one.value : null })),
    unitsAtStart: plan.isSoldOutBefore ? 0 : plan.sale.items.reduce((sum, { total }) => sum + total, 0),
    points,
    samples: samplesOf(result),
  };
}

/**
 * Takes the whole seconds of the measured part. A ramp gives none, because its seconds are not measurements
 * of the same thing.
 */
function samplesOf({ points, plan, load }: RunResult): Record<string, number[]> {
  if (plan.model.kind === 'open' && plan.model.arrivals.shape === 'ramp') return {};
  const first = Math.ceil(plan.warmUpMs / 1_000);
  const whole = points.filter(({ second }) => second >= first && second < first + Math.floor(load.seconds));
  return {
    answered_per_second: whole.map(({ answered }) => answered),
    accepted_per_second: whole.map(({ accepted }) => accepted),
    p99_us: whole.flatMap(({ p99 }) => (p99 === null ? [] : [p99])),
  };
}

/**
 * The code is 1 when an invariant is broken. The code is 99, as in k6, when a threshold was missed or when
 * nothing can be said of the latencies.
 */
export function exitCodeOf(holds: boolean, thresholds: { met: boolean }[], whyInvalid: string[]): 0 | 1 | 99 {
  if (!holds) return 1;
  return thresholds.every(({ met }) => met) && whyInvalid.length === 0 ? 0 : 99;
}
