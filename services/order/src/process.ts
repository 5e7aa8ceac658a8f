import type { Lifecycle, Logger } from '@seckill/runtime';
import type { Config, Role } from './config.ts';
import type { OrderMetrics } from './metrics.ts';

/** What the parts of one process share. */
export interface Process {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  metrics: OrderMetrics;
  /** Tells the relay of this process, if it runs one, that there is something to publish. */
  poke: () => void;
}

/** Runs until the process stops; when it fails, the process ends. */
export function runRole(
  lifecycle: Lifecycle,
  name: Role | 'handover' | 'clock skew',
  run: (signal: AbortSignal) => Promise<void>,
): void {
  const abort = new AbortController();
  const running = run(abort.signal).catch((error: unknown) => {
    lifecycle.fail(error, `${name} failed`);
  });
  lifecycle.onStop(name, async () => {
    abort.abort();
    await running;
  });
}
