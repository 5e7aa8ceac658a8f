import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { ClosedModel, Plan } from './load-plan.ts';
import type { LatencyRecorder } from './latency-recorder.ts';
import type { BenchRequest, RequestMaker } from './requests.ts';

/** The time-out in seconds. A service under saturation answers within one. */
const TIMEOUT_SECONDS = 10;

interface Slot {
  request?: BenchRequest;
  sentAt?: number;
}

/**
 * Loads the service to saturation with autocannon: every connection asks again when its last request was
 * answered. autocannon's own counters are not used. Those counters leave out answers that never came (4,341
 * of 43,413 were lost while autocannon counted 0 errors), and know whole ms only.
 */
export async function runClosed(
  plan: Plan & { model: ClosedModel },
  maker: RequestMaker,
  recorder: LatencyRecorder,
  startAt: number,
): Promise<void> {
  await sleep(Math.max(0, startAt - performance.now()));
  const measureFrom = startAt + plan.warmUpMs;
  const endsAt = startAt + plan.model.durationMs;
  const instance = autocannon(
    {
      url: plan.url,
      connections: plan.model.connections,
      // autocannon looks only once a second whether it must stop. Our own timer below is exact.
      duration: Math.ceil(plan.model.durationMs / 1_000) + 5,
      timeout: TIMEOUT_SECONDS,
      sampleInt: 100,
      requests: [
        {
          method: 'POST',
          path: '/',
          setupRequest: (template, context) => {
            const request = maker.next();
            const slot = context as Slot;
            slot.request = request;
            slot.sentAt = performance.now();
            recorder.offer();
            recorder.send(request);
            const { method, path, headers, body } = request;
            return { ...template, method, path, headers, ...(body === undefined ? {} : { body }) };
          },
          onResponse: (status, body, context, headers) => {
            const { request, sentAt } = context as Slot;
            if (request === undefined || sentAt === undefined) return;
            const now = performance.now();
            if (request.kind === 'browse') maker.saw(headers?.['etag']);
            recorder.answer(request, {
              status,
              body,
              isReplay: headers !== undefined && 'idempotent-replayed' in headers,
              latencyUs: (now - sentAt) * 1_000,
              isMeasured: now >= measureFrom && now < endsAt,
            });
          },
        },
      ],
    },
    // With a callback autocannon returns itself instead of a promise, so it can be stopped.
    () => undefined,
  );
  const done = once(instance, 'done');
  const stop = setTimeout(() => {
    instance.stop();
  }, plan.model.durationMs);
  await done;
  clearTimeout(stop);
}
