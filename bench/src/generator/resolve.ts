import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { dispatch } from './open-model.ts';
import type { LatencyRecorder } from './latency-recorder.ts';
import type { BenchRequest } from './requests.ts';

/**
 * With the waits between them the attempts take about 10 s. This is longer than any call behind the gateway
 * takes.
 */
const ATTEMPTS_MAX = 20;
const RETRY_MS = 500;
const CONCURRENCY = 32;

/**
 * Does what a client should do: repeats a reservation without an answer, with its key, until there is an
 * answer. INV-2 and INV-4 are judged by these answers. Payments and readings are not repeated.
 */
export async function resolveLost(
  url: string,
  lost: BenchRequest[],
  recorder: LatencyRecorder,
): Promise<void> {
  const pool = new Pool(url, { connections: CONCURRENCY, pipelining: 1 });
  const queue = lost.filter(({ kind }) => kind !== 'browse');
  const work = async () => {
    for (let request = queue.pop(); request !== undefined; request = queue.pop()) {
      await resolveOne(pool, request, recorder);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  await pool.destroy();
}

async function resolveOne(pool: Pool, request: BenchRequest, recorder: LatencyRecorder): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const heard = await new Promise<{ status: number; body: string } | undefined>((resolve) => {
      dispatch(pool, request, resolve);
    });
    const isDefinite = heard !== undefined && heard.status !== 503 && heard.status !== 429;
    if (isDefinite) {
      const isTaken = request.kind === 'reserve' ? heard.status === 201 : heard.status === 200;
      const outcome = isTaken ? (request.kind === 'reserve' ? 'replayed' : 'paid') : 'rejected';
      recorder.remember(request, heard, outcome);
      return;
    }
    await sleep(RETRY_MS);
  }
  recorder.history.push(['lost', request.kind === 'pay' ? 'pay' : 'reserve', request.subject]);
}
