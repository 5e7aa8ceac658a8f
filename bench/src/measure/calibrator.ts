/**
 * A fixed piece of work whose CPU is measured before and after each window. On shared machines the same code
 * costs twice as much a minute later, and the product cannot be told from its neighbours without it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

/** About 100 ms on the machines of 2026, of the kind that a gateway does: JSON, a hash, short strings. */
const ROUNDS = 12_000;
const ANSWER_MS_MAX = 30_000;

export interface Calibrator {
  /** µs of CPU that the fixed work takes now. */
  measure(): Promise<number>;
  stop(): void;
}

export function startCalibrator(): Calibrator {
  const child = fork(fileURLToPath(import.meta.url), ['work'], { execArgv: [] });
  return {
    async measure() {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const answer = once(child, 'message', { signal }) as Promise<[number]>;
      child.send('work');
      return (await answer)[0];
    },
    stop() {
      child.kill('SIGKILL');
    },
  };
}

function work(): number {
  const before = process.cpuUsage();
  let text = 'seckill';
  for (let round = 0; round < ROUNDS; round += 1) {
    const body = JSON.stringify({ round, text, lines: [{ sku: 'orange', quantity: round % 7 }] });
    const parsed = JSON.parse(body) as { text: string };
    text = createHash('sha256').update(parsed.text).digest('base64url');
  }
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

if (process.argv[2] === 'work' && process.send !== undefined) {
  // The first rounds run cold.
  work();
  process.on('message', () => process.send?.(work()));
  process.on('disconnect', () => process.exit(0));
}
