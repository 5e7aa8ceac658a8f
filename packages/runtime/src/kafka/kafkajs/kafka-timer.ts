import { createRequire } from 'node:module';

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

let isMended = false;

/**
 * kafkajs 2.2.4 arms a timer with a negative delay (= 1 ms) for ever on every broker connection: 879 wake-ups
 * a second and 4.8 % of a core per idle connection, 0.13 % with this guard (measured; tulios/kafkajs#1751,
 * unmerged fix #1768). Nothing waits and nothing is throttled: then there is nothing to check.
 */
export function mendKafkaTimer(): void {
  if (isMended) return;
  isMended = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const original = Object.getOwnPropertyDescriptor(prototype, 'scheduleCheckPendingRequests')?.value as
    ((this: RequestQueue) => void) | undefined;
  if (original === undefined) throw new Error('kafkajs changed: scheduleCheckPendingRequests is gone');
  prototype.scheduleCheckPendingRequests = function scheduleCheckPendingRequests(this: RequestQueue) {
    if (this.pending.length === 0 && this.throttledUntil <= Date.now()) return;
    original.call(this);
  };
}
