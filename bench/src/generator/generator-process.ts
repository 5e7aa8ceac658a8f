import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { BENCH_ROOT } from '../folders.ts';
import { durationOf, type Plan } from './load-plan.ts';
import type { Latency, Sample, Window } from './latency-recorder.ts';

export type ToGenerator =
  | { kind: 'plan'; plan: Plan }
  /** The instant in milliseconds since 1970. */
  | { kind: 'start'; startAt: number };

export type FromGenerator =
  | { kind: 'ready' }
  | { kind: 'window'; edge: 'open' | 'close' }
  | { kind: 'sample'; sample: Sample }
  /** A reservation was answered at this instant of the monotonic clock that processes share. */
  | { kind: 'probe'; orderId: string; at: number }
  | { kind: 'result'; result: LoadResult }
  | { kind: 'failed'; text: string };

export interface LoadResult {
  /** Counts are of the whole run, the warm-up included: sent = answered + lost. */
  sent: number;
  answered: number;
  /**
   * Requests that were sent and not answered. The generator repeats these requests with their keys
   * afterwards.
   */
  lost: number;
  dropped: number;
  late: number;
  whole: Window;
  acceptedByRepeat: number;
  /** Rates, latencies and thresholds are of the measured window. */
  seconds: number;
  window: Window;
  answeredPerSecond: number;
  acceptedPerSecond: number;
  latency: { all: Latency; accepted: Latency };
  /** The generator's own use of one core, 0 to 1. */
  utilization: number;
  /** Why latencies are not to be believed. An empty list means that they are. */
  whyInvalid: string[];
  samples: Sample[];
}

export interface GeneratorListener {
  onSample?(sample: Sample): void;
  onProbe?(orderId: string, at: number): void;
  onWindow?(edge: 'open' | 'close'): void;
}

export interface Generator {
  pid: number;
  /**
   * Sends the load, beginning at `startAt`, which is in ms since 1970. @throws Error when the generator fails
   * or hangs.
   */
  run(startAt: number): Promise<LoadResult>;
  stop: () => void;
}

/** The time allowed beyond the plan's own duration, for draining and for repeating what was lost. */
const SLACK_MS = 60_000;
const READY_MS = 60_000;

/** Starts a generator and waits until it has signed its tokens. */
export async function startGenerator(plan: Plan, listener: GeneratorListener = {}): Promise<Generator> {
  const child = fork(join(BENCH_ROOT, 'dist/src/generator/generator.js'), [], {
    serialization: 'advanced',
    execArgv: [],
  });
  const tell = (message: ToGenerator) => child.send(message);
  const stop = () => {
    child.kill('SIGKILL');
  };
  let onResult: (result: LoadResult) => void = () => undefined;
  let onReady: () => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    const fail = (why: string) => {
      reject(new Error(`the generator ${why}`));
    };
    child.on('message', (message: FromGenerator) => {
      if (message.kind === 'ready') onReady();
      else if (message.kind === 'sample') listener.onSample?.(message.sample);
      else if (message.kind === 'probe') listener.onProbe?.(message.orderId, message.at);
      else if (message.kind === 'window') listener.onWindow?.(message.edge);
      else if (message.kind === 'result') onResult(message.result);
      else fail(`failed: ${message.text}`);
    });
    child.once('error', (error) => {
      fail(`cannot run: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      fail(`ended early (${signal ?? `exit code ${code ?? 'unknown'}`})`);
    });
  });
  // A caller that waits hears of the failure. This handler is for the case that nobody waits.
  failed.catch(() => undefined);

  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  tell({ kind: 'plan', plan });
  await Promise.race([ready, failed, timeout(READY_MS, 'the generator was not ready in time')]);
  return {
    pid: child.pid ?? 0,
    async run(startAt) {
      const result = new Promise<LoadResult>((resolve) => {
        onResult = resolve;
      });
      tell({ kind: 'start', startAt });
      const bound = durationOf(plan) + Math.max(0, startAt - Date.now()) + SLACK_MS;
      try {
        return await Promise.race([result, failed, timeout(bound, 'the generator did not end in time')]);
      } finally {
        if (child.exitCode === null && child.signalCode === null) {
          const exited = once(child, 'exit');
          stop();
          await exited;
        }
      }
    },
    stop,
  };
}

function timeout(ms: number, text: string): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => {
      reject(new Error(text));
    }, ms).unref();
  });
}
