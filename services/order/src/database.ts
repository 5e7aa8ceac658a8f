import { createPool, type Logger, type Pool } from '@seckill/runtime';

/**
 * Connections of the `http` role. A read takes about a millisecond, so ten answer some thousands a second.
 */
const HTTP_CONNECTIONS_MAX = 10;
/**
 * Partitions whose batches may wait for the same transaction (group-commit.ts, with its number). A backlog,
 * whose batches are full, is drained as fast by one at a time (`intake`, 1.02 in six pairs).
 */
export const INTAKE_CONCURRENCY = 4;

/** A pool a role, so that a flood of reads never keeps the intake waiting for a connection. */
export function createHttpPool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: HTTP_CONNECTIONS_MAX });
}

/**
 * A report of a million orders keeps a core of Postgres busy for more than a second. Two at a time leave the
 * others to the sale, and whoever waits for longer than the pool lets it is told to come again.
 */
export function createReportPool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: 2, statementTimeoutMs: 10_000 });
}

export function createIntakePool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: INTAKE_CONCURRENCY });
}

/**
 * One connection, for what is done one after the other. Expiry works batch by batch. The intake tells by a
 * connection of its own which members live in the group: a member that told from behind its own transactions
 * would be taken for dead.
 */
export function createSinglePool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: 1 });
}

/**
 * Groups are decided one by one. To count a million orders takes some seconds, so one statement may take
 * longer than elsewhere.
 */
export function createGroupsPool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: 1, statementTimeoutMs: 60_000 });
}

/** One looks for what is due, the others store the ends of attempts. */
export function createWebhooksPool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: 3 });
}

/**
 * One for the batch that waits for Kafka, one for housekeeping. The wait is longer than kafkajs tries one
 * publish (10 s a request, six of them): a session that ended before would leave what Kafka confirmed
 * unmarked, for ever anew.
 */
export function createRelayPool(url: string, logger: Logger): Pool {
  return createPool(url, logger, { max: 2, idleInTransactionMs: 90_000 });
}
