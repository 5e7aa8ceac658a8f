import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 10;

type Until = (what: string, condition: () => Promise<boolean> | boolean, timeoutMs?: number) => Promise<void>;

/**
 * Makes the `until` of a suite, which waits for a condition, not for a time. `until` throws after
 * `timeoutMs`, and the message names what never came.
 * @param usualMs what a suite gives a wait that says nothing else.
 */
export function untilWithin(usualMs: number): Until {
  return async (what, condition, timeoutMs = usualMs) => {
    const deadline = performance.now() + timeoutMs;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain for: ${what}`);
      await sleep(LOOK_EVERY_MS);
    }
  };
}
