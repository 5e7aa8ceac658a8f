import {
  Problem,
  UpstreamError,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamCall,
} from '@seckill/runtime';
import { Absence } from './absence.ts';
import { traceHeaders, type Trace } from './trace.ts';
import { expectBody } from './upstream-answer.ts';

/** Names who changes a sale, why, and what the change depends on. */
export interface Steering {
  /** The operator's user id. */
  by: string;
  reason?: string;
  /** When the gateway took it up, by our monotonic clock. */
  startedAt: number;
  /** `If-Match`. */
  version?: number;
  /** Within which time of being taken up order decides, or not at all; `DECISION_MS` unless told. */
  withinMs?: number;
}

/** A call that changes something, before it has its deadline. */
export type SteeringCall = UpstreamCall & { body?: object };

/**
 * The time-out of a change that order answers only once stock has confirmed it. That takes up to 5 s
 * (docs/http-api.md).
 */
export const CONFIRMED_CHANGE_MS = 7_000;
/**
 * Order decides on an operator's change within this time of our taking it up, or not at all. The confirmation
 * by stock may come later. A change from a frozen process would otherwise undo what was decided since.
 */
const DECISION_MS = 2_000;
/** The same for a change of an order, which may wait for the order's row first. */
export const ROW_DECISION_MS = 4_000;
/**
 * A reading of Postgres' clock serves the changes of this time: buyers who cancel by the hundred would
 * otherwise ask for it one by one. Our monotonic clock, which a freeze does not stop, tells how old it is.
 */
const CLOCK_MS = 1_000;
/** A reading that took longer than this is old by so much, and serves those alone who waited for it. */
const CLOCK_TRIP_MS_MAX = 200;

interface ClockReading {
  /** Postgres' clock, in ms. */
  now: number;
  /** By our monotonic clock. */
  heardAt: number;
}

/** How order is asked. The user is whose order is asked for, or the operator who changes something. */
export interface OrderCalls {
  /** Since when order, or PostgreSQL behind it, is away. */
  order: Pick<Absence, 'since'>;
  postgres: Pick<Absence, 'since'>;
  call: (request: UpstreamCall, trace: Trace, userId?: string) => Promise<UpstreamAnswer>;
  /**
   * Sends a change with its deadline, an instant of Postgres' clock, which was read within `CLOCK_MS`.
   * That clock showed more by the time that we heard of it, so the deadline is never later than was meant.
   */
  decide: (request: SteeringCall, steering: Steering, trace: Trace) => Promise<UpstreamAnswer>;
  /** As `decide`, for a change that stock confirms. */
  decideConfirmed: (request: SteeringCall, steering: Steering, trace: Trace) => Promise<UpstreamAnswer>;
}

/** Order answers 503 for other reasons too, as while it drains. */
export function isPostgresAway({ status, body }: UpstreamAnswer): boolean {
  return status === 503 && (body as { away?: unknown } | undefined)?.away === 'postgres';
}

/**
 * When order does not answer, a read becomes `overloaded`, which invites a repeat. A change becomes
 * `outcome_unknown`.
 */
export function createOrderCalls(upstream: Upstream): OrderCalls {
  const [order, postgres] = [new Absence(), new Absence()];
  async function call(request: UpstreamCall, trace: Trace, userId?: string) {
    try {
      const answer = await upstream.call({
        ...request,
        headers: {
          ...request.headers,
          ...traceHeaders(trace),
          ...(userId === undefined ? {} : { 'x-user-id': userId }),
        },
      });
      order.isThere();
      if (isPostgresAway(answer)) postgres.isAway();
      else if (answer.status < 500) postgres.isThere();
      return answer;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      order.isAway();
      const isHarmless = request.method === 'GET' || error.code === 'SECKILL_UPSTREAM_UNREACHABLE';
      throw new Problem(isHarmless ? 'overloaded' : 'outcome_unknown', { cause: error });
    }
  }

  let clock: ClockReading | undefined;
  let asked: Promise<ClockReading> | undefined;
  async function askClock(trace: Trace): Promise<ClockReading> {
    const askedAt = performance.now();
    const { now } = expectBody(await call({ method: 'GET', path: '/v1/clock' }, trace)) as { now: number };
    const reading = { now, heardAt: performance.now() };
    if (reading.heardAt - askedAt <= CLOCK_TRIP_MS_MAX) clock = reading;
    return reading;
  }
  async function readClock(trace: Trace): Promise<ClockReading> {
    if (clock !== undefined && performance.now() - clock.heardAt < CLOCK_MS) return clock;
    asked ??= askClock(trace).finally(() => (asked = undefined));
    return asked;
  }

  async function decide(request: SteeringCall, steering: Steering, trace: Trace) {
    const { startedAt, version, by, reason, withinMs = DECISION_MS } = steering;
    const { now, heardAt } = await readClock(trace);
    const deadline = Math.floor(now + withinMs - (heardAt - startedAt));
    const headers = {
      ...request.headers,
      'x-deadline': String(deadline),
      ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
    };
    const hasBody = request.body !== undefined || reason !== undefined;
    const body = { ...request.body, ...(reason === undefined ? {} : { reason }) };
    return call({ ...request, ...(hasBody ? { body } : {}), headers }, trace, by);
  }

  return {
    order,
    postgres,
    call,
    decide,
    async decideConfirmed(request, steering, trace) {
      return decide({ ...request, timeoutMs: CONFIRMED_CHANGE_MS }, steering, trace);
    },
  };
}
