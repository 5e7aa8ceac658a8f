import { backoffMs, systemClock, type Clock } from './clock.ts';
import type { Logger } from './logger.ts';

const BACKOFF = { baseMs: 200, capMs: 5_000 };

/**
 * Kafka may be away while a process starts: what does not need it goes on, and what does waits here until it is back.
 * `connect` is repeated for as long as it fails, so it must not leave half a connection behind.
 * @returns what `connect` returned; undefined once the signal aborted. Then kafkajs' own attempt of about 5 s is left to
 * itself, for the process ends.
 */
export async function connectKafka<Result>(
  connect: () => Promise<Result>,
  signal: AbortSignal,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<Result | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(undefined);
    });
  });
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return await Promise.race([connect(), stopped]);
    } catch (error) {
      logger.warn({ err: error, attempt }, 'kafka cannot be reached');
      await clock.sleep(backoffMs(attempt, BACKOFF), signal);
    }
  }
  return undefined;
}
