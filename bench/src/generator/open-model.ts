import { setTimeout as sleep } from 'node:timers/promises';
import { Pool, type Dispatcher } from 'undici';
import { planArrivals } from './arrivals.ts';
import type { OpenModel, Plan } from './load-plan.ts';
import { seededRandom } from '../random.ts';
import type { LatencyRecorder } from './latency-recorder.ts';
import type { BenchRequest, RequestMaker } from './requests.ts';

/**
 * An arrival that leaves later than this after its instant counts as late. The bound is ten ticks of Node's
 * timers.
 */
const LATE_MS = 10;
/** Time after the last arrival for the answers that are still under way. */
const DRAIN_MS = 10_000;
const TIMEOUT_MS = 10_000;

/**
 * Sends requests at instants that were planned before (an open model). A latency runs from the planned
 * instant, so a server that stalls is charged for everyone who came meanwhile (coordinated omission).
 * autocannon's rate mode is not used: it sends a second's share at once and corrects by a wrong interval.
 */
export async function runOpen(
  plan: Plan & { model: OpenModel },
  maker: RequestMaker,
  recorder: LatencyRecorder,
  startAt: number,
): Promise<void> {
  const { arrivals, connections, inFlightMax } = plan.model;
  const instants = planArrivals(arrivals, seededRandom(plan.seed));
  const pool = new Pool(plan.url, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  const state: { idle?: () => void } = {};

  function depart(intendedAt: number, isMeasured: boolean): void {
    recorder.offer();
    // A request that did not leave is not sent later. The buyer of that instant is gone, and the count says
    // so.
    if (recorder.inFlight >= inFlightMax) {
      recorder.drop();
      return;
    }
    if (performance.now() - intendedAt > LATE_MS) recorder.arriveLate();
    const request = maker.next();
    recorder.send(request);
    dispatch(pool, request, (heard) => {
      const latencyUs = (performance.now() - intendedAt) * 1_000;
      if (heard === undefined) recorder.lose(request, isMeasured, latencyUs);
      else {
        if (request.kind === 'browse') maker.saw(heard.etag);
        recorder.answer(request, { ...heard, latencyUs, isMeasured });
        if (request.kind === 'reserve' && heard.status === 201 && plan.traffic.payShare > 0) {
          maker.reserved((JSON.parse(heard.body) as { id: string }).id, request.userId);
        }
      }
      if (recorder.inFlight === 0) state.idle?.();
    });
  }

  for (let next = 0; next < instants.length;) {
    const now = performance.now() - startAt;
    for (; next < instants.length && (instants[next] ?? 0) <= now; next += 1) {
      const instant = instants[next] ?? 0;
      depart(startAt + instant, instant >= plan.warmUpMs);
    }
    // Node's timers tick in ms. A request that is due within one ms leaves up to a ms late, and the latency
    // includes this delay.
    await sleep(Math.min(100, Math.max(0, (instants[next] ?? 0) - (performance.now() - startAt))));
  }
  // The last second of a plan may be without arrivals. That second is still part of the plan.
  await sleep(Math.max(0, startAt + arrivals.durationMs - performance.now()));
  const drained = new Promise<void>((resolve) => {
    state.idle = resolve;
  });
  if (recorder.inFlight > 0) await Promise.race([drained, sleep(DRAIN_MS)]);
  await pool.destroy();
}

interface Heard {
  status: number;
  body: string;
  isReplay: boolean;
  etag?: string;
}

/**
 * Sends one request without promises or streams. This takes half of what `request()` costs, and the generator
 * shares the server's cores.
 */
export function dispatch(
  dispatcher: Dispatcher,
  { method, path, headers, body }: BenchRequest,
  done: (heard: Heard | undefined) => void,
): void {
  const chunks: Buffer[] = [];
  const heard: Heard = { status: 0, body: '', isReplay: false };
  dispatcher.dispatch(
    { method, path, headers, body: body ?? null },
    {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, status, answered) => {
        heard.status = status;
        heard.isReplay = 'idempotent-replayed' in answered;
        if (typeof answered['etag'] === 'string') heard.etag = answered['etag'];
      },
      onResponseData: (_controller, chunk) => {
        chunks.push(chunk);
      },
      onResponseEnd: () => {
        heard.body = (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString() ?? '';
        done(heard);
      },
      onResponseError: () => {
        done(undefined);
      },
    },
  );
}
