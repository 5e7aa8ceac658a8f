import type { Lifecycle, Logger, Registry } from '@seckill/runtime';
import type { Config, Role } from './config.ts';
import type { Connections } from './redis/connections.ts';

/** What the parts of one process share. */
export interface Process {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  connections: Connections;
  registry: Registry;
}

/** Runs until the process stops; when it fails, the process ends. */
export function runRole(
  lifecycle: Lifecycle,
  name: Role | 'announcer' | 'gatekeeper',
  run: (signal: AbortSignal) => Promise<unknown>,
): void {
  const abort = new AbortController();
  const running = run(abort.signal).catch((error: unknown) => {
    lifecycle.fail(error, name);
  });
  lifecycle.onStop(name, async () => {
    abort.abort();
    await running;
  });
}
