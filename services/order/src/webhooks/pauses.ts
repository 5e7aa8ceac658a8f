/** Seconds until the next attempt, by the attempts made. The last one counts for all that follow. */
const PAUSES = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;
/** A tenth of a pause is random, so that receivers that were away are not called all at once. */
const JITTER = 0.1;

/** @param attempts made so far, at least 1. */
export function pauseSeconds(attempts: number, random: () => number = Math.random): number {
  const pause = PAUSES[Math.min(attempts, PAUSES.length) - 1] ?? PAUSES[0];
  return pause * (1 + JITTER * (2 * random() - 1));
}
