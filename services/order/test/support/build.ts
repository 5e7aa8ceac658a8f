import { TOPICS } from '@seckill/contracts';
import {
  createRegistry,
  type Assignment,
  type BatchContext,
  type PartitionOffsets,
  type OutgoingMessage,
  type Pool,
  type Publisher,
} from '@seckill/runtime';
import { silent, untilWithin } from '@seckill/testing';
import type { IntakeStore } from '../../src/intake/intake-store.ts';
import { createClockMetrics } from '../../src/clocks/metrics.ts';
import { createExpiryMetrics } from '../../src/expiry/metrics.ts';
import { createIntakeMetrics } from '../../src/intake/metrics.ts';
import { assembleIntake } from '../../src/intake/role.ts';
import { createSharedMetrics } from '../../src/metrics.ts';
import { Orders } from '../../src/orders/orders.ts';
import { Notices } from '../../src/payments/notices.ts';
import { Payments } from '../../src/payments/payments.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { createSalesMetrics } from '../../src/sales/metrics.ts';

/** The wait is long, because Kafka rearranges its groups slowly on a busy machine. */
export const until = untilWithin(20_000);

export type TestMetrics = ReturnType<typeof createTestMetrics>;

/** The metrics of every role, in a registry of their own. */
export function createTestMetrics() {
  const registry = createRegistry();
  return {
    ...createSharedMetrics(registry),
    ...createIntakeMetrics(registry),
    ...createClockMetrics(registry),
    ...createExpiryMetrics(registry),
    ...createRelayMetrics(registry),
    ...createSalesMetrics(registry),
  };
}

/**
 * The real intake on a real Postgres. This intake keeps what it would publish, so that the test can read it.
 */
export function buildIntake(
  pool: Pool,
  options: {
    batchCountMax?: number;
    wrap?: (store: IntakeStore) => IntakeStore;
    /** Runs before a dead letter is confirmed; may throw. */
    onPublish?: () => Promise<void>;
  } = {},
) {
  const letters: OutgoingMessage[] = [];
  const publisher: Publisher = {
    async publish(_topic, _kind, messages) {
      await options.onPublish?.();
      letters.push(...messages);
    },
  };
  const metrics = createTestMetrics();
  const batchCountMax = options.batchCountMax ?? 500;
  const deps = { pool, publisher, wake: () => undefined, logger: silent, metrics, batchCountMax };
  const intake = assembleIntake(deps, options.wrap);
  return { intake, letters, metrics };
}

/** Everything that ends an order on behalf of a person, on a real Postgres. */
export function buildEnds(pool: Pool) {
  const metrics = createTestMetrics();
  const seen = { wakes: 0, lateMoneyWakes: 0 };
  const wake = () => {
    seen.wakes += 1;
  };
  const deps = { pool, wake, logger: silent, metrics };
  const wakeLateMoney = () => {
    seen.lateMoneyWakes += 1;
  };
  const payments = new Payments({ ...deps, wakeLateMoney });
  const notices = new Notices({ ...deps, payments });
  return { orders: new Orders(deps), payments, notices, metrics, seen };
}

/** What the intake asks of Kafka's client during a batch. */
export function makeContext() {
  const abort = new AbortController();
  const seen = { resolved: [] as bigint[], sought: [] as bigint[], heartbeats: 0 };
  const context: BatchContext = {
    heartbeat: async () => {
      seen.heartbeats += 1;
    },
    resolve: (offset) => {
      seen.resolved.push(offset);
    },
    seek: (offset) => {
      seen.sought.push(offset);
    },
    signal: abort.signal,
  };
  return { context, seen, abort };
}

/**
 * Assigns one partition to the intake, as each rearrangement of the group does, with what Kafka knows of the
 * partition.
 */
export function makeAssignment(offsets: Partial<PartitionOffsets> = {}) {
  const sought: bigint[] = [];
  const assignment: Assignment = {
    topic: TOPICS.reservations.name,
    partitions: [0],
    readOffsets: async () => [{ partition: 0, low: 0n, high: 1_000n, ...offsets }],
    seek: (_partition, offset) => {
      sought.push(offset);
    },
    signal: new AbortController().signal,
  };
  return { assignment, sought };
}
