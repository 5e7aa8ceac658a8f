import { connectKafka } from './kafka/kafka-connect.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';

/**
 * Runs a role, or another part that lasts as long as its process, until the process stops. When it fails, the
 * process ends, and whatever runs the process starts it again.
 */
export function runRole(
  lifecycle: Pick<Lifecycle, 'onStop' | 'fail'>,
  name: string,
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

export interface ConsumerRole {
  lifecycle: Lifecycle;
  name: string;
  logger: Logger;
  /**
   * What the role publishes with: connected before the consumer starts, disconnected after it has stopped.
   */
  producer: { connect: () => Promise<void>; disconnect: () => Promise<void> };
  /**
   * Starts the consumer. @param onFail the role cannot go on. @returns what stops the consumer after its
   * batches.
   */
  consume: (onFail: (error: unknown) => void) => Promise<() => Promise<void>>;
}

/**
 * Runs a role that consumes a topic. The role does not wait for Kafka: messages wait there. The producer is
 * connected first, because a message that cannot be understood must have somewhere to go.
 */
export function runConsumerRole({ lifecycle, name, logger, producer, consume }: ConsumerRole): void {
  const onFail = (error: unknown): void => {
    lifecycle.fail(error, name);
  };
  const abort = new AbortController();
  const started = connectKafka(() => producer.connect(), abort.signal, logger)
    .then(() => connectKafka(() => consume(onFail), abort.signal, logger))
    .catch((error: unknown) => {
      onFail(error);
      return undefined;
    });
  lifecycle.onStop(name, async () => {
    abort.abort();
    const stop = await started;
    await stop?.();
    await producer.disconnect();
  });
}
