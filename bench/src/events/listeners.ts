import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { BENCH_ROOT } from '../folders.ts';
import type { FromListeners, ToListeners } from './listener-process.ts';

/** Listeners to one sale, in a process of their own. */
export interface Listeners {
  pid: number;
  count: number;
  /** When each of them heard that nothing is left, in ms; fewer than `count` while some have not heard. */
  heard(): Promise<number[]>;
  close(): Promise<void>;
}

/** 10,000 connections take some seconds on two busy cores. */
const OPEN_MS_MAX = 120_000;
const TELL_MS_MAX = 10_000;

/** @throws Error when not every listener listens. */
export async function openListeners(url: string, saleId: string, count: number): Promise<Listeners> {
  const child = fork(join(BENCH_ROOT, 'dist/src/events/listener-process.js'), [], {
    serialization: 'advanced',
    execArgv: [],
  });
  const ask = async (message: ToListeners, waitMs: number): Promise<FromListeners> => {
    child.send(message);
    const signal = AbortSignal.timeout(waitMs);
    const [answer] = (await once(child, 'message', { signal })) as [FromListeners];
    return answer;
  };
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  try {
    const { hostname, port } = new URL(url);
    // As the client listens.
    const path = `/v1/sales/${saleId}/events?counts=true`;
    const opened = await ask({ kind: 'open', host: hostname, port: Number(port), path, count }, OPEN_MS_MAX);
    if (opened.kind !== 'opened' || opened.listening !== count) {
      throw new Error(`not all of ${count} listen: ${JSON.stringify(opened)}`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    count,
    async heard() {
      const answer = await ask({ kind: 'told' }, TELL_MS_MAX);
      return answer.kind === 'heard' ? answer.at : [];
    },
    close,
  };
}
