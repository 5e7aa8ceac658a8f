import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from '../target/target.ts';

/**
 * A paused order service keeps its place in its Kafka group for 30 s (the session time-out). A backlog grows
 * in less time.
 */
const PUBLISHED_MS = 20_000;
const DRAIN_MS = 300_000;
const POLL_MS = 10;

/**
 * Stops the process of the order service where it stands, so that reservations pile up in Kafka.
 * @throws Error when its pid is not known.
 */
export function pauseOrder(target: Target): void {
  signalOrder(target, 'SIGSTOP');
}

export function resumeOrder(target: Target): void {
  signalOrder(target, 'SIGCONT');
}

function signalOrder({ kind, pids }: Target, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = pids['order'];
  if (kind === 'foreign' || pid === undefined) {
    throw new Error('only a stack of this machine can be paused: intake has no --target');
  }
  process.kill(pid, signal);
}

/**
 * Waits until all that was reserved stands in Kafka, resumes the order service, and times how its intake
 * stores what waits. Nothing else asks for the machine then.
 * @throws Error when this takes longer than five minutes.
 */
export async function drainBacklog(
  target: Target,
  saleId: string,
): Promise<{ orders: number; seconds: number }> {
  const { engines } = target;
  if (engines === undefined) throw new Error('the drain is read in Postgres: give the engine URLs');
  try {
    const publishedBy = performance.now() + PUBLISHED_MS;
    while ((await engines.outboxLength(saleId)) > 0 && performance.now() < publishedBy) await sleep(POLL_MS);
    const ends = await engines.reservationEnds();
    const published = [...ends.values()].reduce((sum, end) => sum + end, 0);
    const before = await engines.countIntake();
    resumeOrder(target);
    const startedAt = performance.now();
    for (;;) {
      const stored = await engines.countIntake();
      const seconds = (performance.now() - startedAt) / 1_000;
      if (stored >= published) return { orders: stored - before, seconds };
      if (seconds * 1_000 > DRAIN_MS)
        throw new Error(`the backlog was not drained: ${stored} of ${published}`);
      await sleep(POLL_MS);
    }
  } finally {
    // The order service is resumed also when something failed before. A paused one would hang the next
    // caller.
    resumeOrder(target);
  }
}
