import { backoffMs, systemClock, type Clock } from '../clock.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { isPasswordError, isRefusal } from './kafka-errors.ts';
import { createKafka } from './kafka.ts';
import type { Logger } from '../logger.ts';

const BACKOFF = { baseMs: 200, capMs: 5_000 };

/**
 * Kafka may be away while a process starts. What does not need Kafka goes on, and what does waits here until
 * Kafka is back. `connect` is repeated for as long as it fails, so it must not leave half a connection
 * behind.
 * @returns what `connect` returned; undefined once the signal aborted. Then kafkajs' own attempt of about 5 s
 * is left to itself, because the process ends.
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
      if (isRefusal(error)) logger.error({ err: error, attempt }, 'kafka refuses us, or we do not trust it');
      else logger.warn({ err: error, attempt }, 'kafka cannot be reached');
      await clock.sleep(backoffMs(attempt, BACKOFF), signal);
    }
  }
  return undefined;
}

export class KafkaRefusedError extends Error {
  override readonly name = 'KafkaRefusedError';
  readonly code = 'SECKILL_KAFKA_REFUSED';
}

/** The retries take 6 s together, because a broker that is just starting may not know its users yet. */
const ATTEMPTS_MAX = 5;

/**
 * Asks Kafka once, before a process says that it is ready. A wrong password or certificate must stop a
 * rollout at its first pod, and a pod that starts again reads them anew. A Kafka that is away takes 4 s and
 * stops nothing (`connectKafka` waits).
 * @throws KafkaRefusedError
 */
export async function checkKafkaAccess(
  settings: KafkaSettings,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<void> {
  if (settings.ca === undefined) return;
  const kafka = createKafka(settings, 'seckill-access', logger);
  for (let attempt = 1; ; attempt += 1) {
    const admin = kafka.admin();
    try {
      await admin.connect();
      return;
    } catch (error) {
      if (!isRefusal(error)) return;
      // kafkajs has repeated a handshake that failed by itself, and never repeats a password.
      if (!isPasswordError(error) || attempt === ATTEMPTS_MAX) throw toRefusedError(error);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
    await clock.sleep(backoffMs(attempt, BACKOFF));
  }
}

function toRefusedError(error: Error): KafkaRefusedError {
  return new KafkaRefusedError(`kafka refuses us, or we do not trust it: ${error.message}`, { cause: error });
}
