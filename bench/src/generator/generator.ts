/** Sends a plan's load from a process of its own, so that its cost can be told from the service's cost. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { setPriority } from 'node:os';
import { expectedCount } from './arrivals.ts';
import { runClosed } from './closed-model.ts';
import type { FromGenerator, LoadResult, ToGenerator } from './generator-process.ts';
import { runOpen } from './open-model.ts';
import { durationOf, type Plan } from './load-plan.ts';
import { LatencyRecorder, type HistoryLine } from './latency-recorder.ts';
import { RequestMaker } from './requests.ts';
import { resolveLost } from './resolve.ts';

/**
 * Share of one core. Beyond this share answers wait in the generator's own queue, and the latency that is
 * measured is the generator's.
 */
const UTILIZATION_MAX = 0.8;
/** The share of all arrivals that may be late. */
const LATE_SHARE_MAX = 0.01;
/** The highest priority among processes that are not real-time processes. */
const PRIORITY = -20;
/**
 * The most that a saturated gateway on one core may take a second. Tokens beyond this are signed while the
 * load runs.
 */
const CLOSED_PER_SECOND = 20_000;

const tell = (message: FromGenerator): void => {
  process.send?.(message);
};

async function run(plan: Plan): Promise<void> {
  const recorder = new LatencyRecorder(
    (sample) => {
      tell({ kind: 'sample', sample });
    },
    (orderId, at) => {
      tell({ kind: 'probe', orderId, at });
    },
  );
  const maker = new RequestMaker(plan);
  const { model, warmUpMs } = plan;
  const durationMs = durationOf(plan);
  const count =
    model.kind === 'open' ? expectedCount(model.arrivals) : (CLOSED_PER_SECOND * durationMs) / 1_000;
  maker.signBefore(Math.ceil(count));

  if (model.kind === 'open') goFirst();
  const startAt = await startSignal();
  const ticks = startTicks(recorder, startAt, durationMs);
  const measured = measureSelf(startAt + warmUpMs, startAt + durationMs);
  if (model.kind === 'closed') await runClosed({ ...plan, model }, maker, recorder, startAt);
  else await runOpen({ ...plan, model }, maker, recorder, startAt);
  ticks.stop();
  const self = await measured;
  const lost = recorder.takeLost();
  await resolveLost(plan.url, [...lost, ...recorder.takeUnsure()], recorder);
  writeHistory(plan.historyFile, recorder.history);
  tell({ kind: 'result', result: resultOf(plan, recorder, lost.length, self.utilization) });
}

/**
 * Lets requests leave before the services on the same cores are served, where we may do so (as root). Buyers
 * do not wait for a server's processor. This is alike for every side. A generator that may not do so tells
 * how late it was. Only this thread is made a real-time one, so what it starts is not.
 */
function goFirst(): void {
  try {
    execFileSync('chrt', ['--rr', '--reset-on-fork', '--pid', '1', String(process.pid)], { stdio: 'ignore' });
  } catch {
    try {
      setPriority(PRIORITY);
    } catch {
      // Without the right to do this, the generator keeps its priority.
    }
  }
}

/** Resolves with the instant of performance.now() at which the first request leaves. */
function startSignal(): Promise<number> {
  tell({ kind: 'ready' });
  return new Promise((resolve) => {
    process.once('message', (message: ToGenerator) => {
      if (message.kind === 'start') resolve(message.startAt - performance.timeOrigin);
    });
  });
}

function startTicks(recorder: LatencyRecorder, startAt: number, durationMs: number): { stop: () => void } {
  let second = 0;
  const tick = () => {
    recorder.tick(second);
    second += 1;
  };
  let timer: NodeJS.Timeout;
  const plan = () => {
    timer = setTimeout(
      () => {
        tick();
        plan();
      },
      Math.max(1, startAt + (second + 1) * 1_000 - performance.now()),
    );
  };
  plan();
  return {
    stop() {
      clearTimeout(timer);
      // The last tick covers the answers of the last second, and those that were waited for.
      if (second * 1_000 < durationMs + 1_000) tick();
    },
  };
}

/**
 * Measures our own share of a core between two instants. Tells the parent at both instants, and the parent
 * reads what the others spent.
 */
function measureSelf(from: number, to: number): Promise<{ utilization: number }> {
  return new Promise((resolve) => {
    setTimeout(() => {
      tell({ kind: 'window', edge: 'open' });
      const before = performance.eventLoopUtilization();
      setTimeout(() => {
        tell({ kind: 'window', edge: 'close' });
        resolve({ utilization: performance.eventLoopUtilization(before).utilization });
      }, to - from);
    }, from - performance.now());
  });
}

function resultOf(plan: Plan, recorder: LatencyRecorder, lost: number, utilization: number): LoadResult {
  const { sent, answered, dropped, late, samples, window, whole, acceptedByRepeat } = recorder;
  if (plan.model.kind === 'closed') {
    // autocannon does not report time-outs. One request of each connection is cut when autocannon stops.
    const unanswered = Math.max(0, lost - plan.model.connections);
    if (unanswered > 0) window.outcomes['no_answer'] = unanswered;
  }
  const seconds = (durationOf(plan) - plan.warmUpMs) / 1_000;
  const whyInvalid: string[] = [];
  // A closed model saturates on purpose. What the generator took is reported with its result.
  if (plan.model.kind === 'open') {
    if (utilization > UTILIZATION_MAX) {
      whyInvalid.push(`the generator was busy ${Math.round(utilization * 100)} % of the time`);
    }
    if (late > LATE_SHARE_MAX * Math.max(1, sent)) {
      whyInvalid.push(`${late} of ${sent} requests left more than 10 ms late`);
    }
  }
  return {
    sent,
    answered,
    lost,
    dropped,
    late,
    whole,
    acceptedByRepeat,
    seconds,
    window,
    answeredPerSecond: window.answered / seconds,
    acceptedPerSecond: window.accepted / seconds,
    latency: recorder.latency,
    utilization,
    whyInvalid,
    samples,
  };
}

/** Writes the history in pieces, because a long run's history is larger than the longest string. */
function writeHistory(file: string, history: HistoryLine[]): void {
  const handle = openSync(file, 'w', 0o600);
  for (let index = 0; index < history.length; index += 1_000) {
    const lines = history.slice(index, index + 1_000).map((line) => `${JSON.stringify(line)}\n`);
    writeSync(handle, lines.join(''));
  }
  closeSync(handle);
}

process.once('message', (message: ToGenerator) => {
  if (message.kind !== 'plan') return;
  run(message.plan).then(
    () => {
      process.disconnect();
    },
    (error: unknown) => {
      tell({ kind: 'failed', text: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
// When the parent is gone, nobody will hear the result.
process.once('disconnect', () => {
  process.exit();
});
