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
  /** What the role publishes with: connected beside the consumer, disconnected after it has stopped. */
  producer: { connect: () => Promise<void>; disconnect: () => Promise<void> };
  /**
   * Starts the consumer. @param onFail the role cannot go on. @returns what stops the consumer after its
   * batches.
   */
  consume: (onFail: (error: unknown) => void) => Promise<() => Promise<void>>;
}

/**
 * Runs a role that consumes a topic. The role does not wait for Kafka: messages wait there. The consumer does
 * not wait for the producer: a message that cannot be understood waits until it has somewhere to go.
 *
 * The role begins when the process is ready. To compile the routes keeps the loop of a start busy for 0.3 s,
 * and on a machine under load for 1 to 3 s; a connection to Kafka that was asked for before would pass its
 * second meanwhile, and be given up though it is there. Roles without a topic begin earlier: all of them at
 * once would ask for their connections in the very second in which the first requests come.
 */
export function runConsumerRole({ lifecycle, name, logger, producer, consume }: ConsumerRole): void {
  const onFail = (error: unknown): void => {
    lifecycle.fail(error, name);
  };
  const abort = new AbortController();
  const started = lifecycle
    .untilStarted()
    .then(async (isReady) => {
      if (!isReady) return undefined;
      const publishing = connectKafka(() => producer.connect(), abort.signal, logger);
      const stop = await connectKafka(() => consume(onFail), abort.signal, logger);
      await publishing;
      return stop;
    })
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
