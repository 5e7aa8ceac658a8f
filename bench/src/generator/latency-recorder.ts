import { build, type Histogram } from 'hdr-histogram-js';
import type { BenchRequest } from './requests.ts';

/** One minute, which is longer than any client waits. A longer latency counts as this one. */
const LATENCY_US_MAX = 60_000_000;
/**
 * Time between two reservations whose way to Postgres is timed. Each of them is looked for in the database.
 * The reservations are taken evenly because the relay works four times a second. The first 50 of each second,
 * which are 15 ms of it at saturation, would tell of one phase of the relay only.
 */
const PROBE_INTERVAL_MS = 20;

/** One second of a load. Latencies are in µs, and null in a second without an answer. */
export interface Sample {
  second: number;
  /** Arrivals that were due. In the closed model this is what was sent. */
  offered: number;
  answered: number;
  accepted: number;
  dropped: number;
  late: number;
  inFlight: number;
  outcomes: Record<string, number>;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  p999: number | null;
}

export interface Latency {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

export interface Answer {
  status: number;
  body: string;
  isReplay: boolean;
  latencyUs: number;
  /** Whether the second falls into the measured window. */
  isMeasured: boolean;
}

export type HistoryLine =
  | ['accepted', userId: string, key: string, body: string]
  | ['rejected', code: string]
  | ['paid', orderId: string]
  | ['lost', 'reserve' | 'pay', subject: string];

/** Requests that ended, by outcome. A request without an answer is the outcome `no_answer`. */
export interface Window {
  /** Answers alone; `endedOf` has those without an answer, too. */
  answered: number;
  accepted: number;
  outcomes: Record<string, number>;
}

/** Answers, and requests that were waited for in vain. */
export const endedOf = ({ answered, outcomes }: Window): number => answered + (outcomes['no_answer'] ?? 0);

/** Records everything that was sent and heard. The recorder judges nothing. */
export class LatencyRecorder {
  readonly history: HistoryLine[] = [];
  readonly samples: Sample[] = [];
  /** The measured part, from which rates and thresholds are taken. */
  readonly window: Window = { answered: 0, accepted: 0, outcomes: {} };
  /**
   * The whole run, the warm-up included. Everything that is reported as a count comes from here. A request
   * without an answer counts as `no_answer`.
   */
  readonly whole: Window = { answered: 0, accepted: 0, outcomes: {} };
  readonly #all = buildHistogram();
  readonly #accepted = buildHistogram();
  readonly #second = buildHistogram();
  readonly #onSample: (sample: Sample) => void;
  readonly #onProbe: (orderId: string, at: number) => void;
  readonly #pending = new Set<BenchRequest>();
  #sample = emptySample();
  readonly #lost: BenchRequest[] = [];
  readonly #unsure: BenchRequest[] = [];
  #probedAt = -Infinity;
  sent = 0;
  answered = 0;
  dropped = 0;
  late = 0;

  /**
   * `onProbe`: called with a reservation that was just answered, and with the instant in ms of the monotonic
   * clock that processes share.
   */
  constructor(onSample: (sample: Sample) => void, onProbe: (orderId: string, at: number) => void) {
    this.#onSample = onSample;
    this.#onProbe = onProbe;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  offer(): void {
    this.#sample.offered += 1;
  }

  drop(): void {
    this.dropped += 1;
    this.#sample.dropped += 1;
  }

  arriveLate(): void {
    this.late += 1;
    this.#sample.late += 1;
  }

  send(request: BenchRequest): void {
    this.sent += 1;
    this.#pending.add(request);
  }

  answer(request: BenchRequest, answer: Answer): void {
    // The answer came after the run was closed. The request is counted as lost already and is asked again.
    if (!this.#pending.delete(request)) return;
    this.answered += 1;
    const outcome = outcomeOf(request, answer);
    const latency = Math.min(LATENCY_US_MAX, Math.max(1, Math.round(answer.latencyUs)));
    this.#second.recordValue(latency);
    this.#count(this.#sample, outcome);
    this.#count(this.whole, outcome);
    if (answer.isMeasured) {
      this.#count(this.window, outcome);
      this.#all.recordValue(latency);
      if (outcome === 'reserved') this.#accepted.recordValue(latency);
    }
    // The outcome means "perhaps": units may be held. Only a repeat with the request's key tells, as after no
    // answer at all.
    if (request.kind !== 'browse' && isIndefinite(outcome)) this.#unsure.push(request);
    else this.remember(request, answer, outcome);
  }

  /** Keeps an answer for the verdict, also the answer to a repeat of a lost request. */
  remember(request: BenchRequest, { body }: Pick<Answer, 'body'>, outcome: string): void {
    if (outcome === 'reserved' || outcome === 'replayed') {
      this.history.push(['accepted', request.userId, request.subject, body]);
      this.#probe(outcome, body);
    } else if (outcome === 'paid') this.history.push(['paid', request.subject]);
    else if (request.kind === 'reserve') this.history.push(['rejected', outcome]);
  }

  /**
   * Records a request without an answer. Only a repeat with the same key can tell what became of it. A buyer
   * who waited in vain waited `latencyUs`.
   */
  lose(request: BenchRequest, isMeasured: boolean, latencyUs: number): void {
    if (!this.#pending.delete(request)) return;
    this.#count(this.#sample, 'no_answer');
    if (isMeasured) {
      this.#count(this.window, 'no_answer');
      this.#all.recordValue(Math.min(LATENCY_US_MAX, Math.max(1, Math.round(latencyUs))));
    }
    this.#lost.push(request);
  }

  /** Takes the requests that never got an answer, at the end of a run. */
  takeLost(): BenchRequest[] {
    const lost = [...this.#lost, ...this.#pending];
    this.#pending.clear();
    this.#lost.length = 0;
    if (lost.length > 0) this.whole.outcomes['no_answer'] = lost.length;
    return lost;
  }

  /** Takes the requests that were answered, but not definitely. */
  takeUnsure(): BenchRequest[] {
    return this.#unsure.splice(0);
  }

  /** Ends a second. */
  tick(second: number): void {
    const at = (percentile: number) =>
      this.#second.totalCount === 0 ? null : valueAt(this.#second, percentile);
    const sample: Sample = {
      second,
      ...this.#sample,
      inFlight: this.inFlight,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
    };
    this.samples.push(sample);
    this.#second.reset();
    this.#sample = emptySample();
    this.#onSample(sample);
  }

  /** Reservations that only a repeat told of, because their first answer was lost. */
  get acceptedByRepeat(): number {
    const keys = this.history.flatMap((line) => (line[0] === 'accepted' ? [`${line[1]}\n${line[2]}`] : []));
    return new Set(keys).size - this.whole.accepted;
  }

  get latency(): { all: Latency; accepted: Latency } {
    return { all: summarize(this.#all), accepted: summarize(this.#accepted) };
  }

  #count(counts: Window, outcome: string): void {
    if (outcome !== 'no_answer') counts.answered += 1;
    counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
    if (outcome === 'reserved') counts.accepted += 1;
  }

  #probe(outcome: string, body: string): void {
    const now = Number(process.hrtime.bigint()) / 1e6;
    if (outcome !== 'reserved' || now - this.#probedAt < PROBE_INTERVAL_MS) return;
    this.#probedAt = now;
    this.#onProbe((JSON.parse(body) as { id: string }).id, now);
  }
}

function emptySample(): Omit<Sample, 'second' | 'inFlight' | 'p50' | 'p90' | 'p99' | 'p999'> {
  return { offered: 0, answered: 0, accepted: 0, dropped: 0, late: 0, outcomes: {} };
}

function outcomeOf({ kind }: BenchRequest, { status, body, isReplay }: Answer): string {
  if (kind === 'reserve' && status === 201) return isReplay ? 'replayed' : 'reserved';
  if (kind === 'browse' && status === 200) return 'browsed';
  if (kind === 'browse' && status === 304) return 'unchanged';
  if (kind === 'pay' && status === 200) return 'paid';
  // A problem document contains its code. Parsing 20,000 documents a second would take a tenth of a core.
  return /"code":"([a-z_]+)"/.exec(body)?.[1] ?? `status_${status}`;
}

/** An answer without a code of ours may have come from something between, while the gateway went on. */
const isIndefinite = (outcome: string): boolean =>
  outcome === 'outcome_unknown' || outcome.startsWith('status_5');

export function buildHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

/**
 * A histogram answers with the upper end of a bucket. This end may lie beyond the largest value that the
 * histogram was given.
 */
export function valueAt(histogram: Histogram, percentile: number): number {
  return Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue);
}

function summarize(histogram: Histogram): Latency {
  const at = (percentile: number) => valueAt(histogram, percentile);
  return {
    count: histogram.totalCount,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue,
  };
}
