import { TOPICS } from '@seckill/contracts';
import {
  createLogger,
  createRegistry,
  systemClock,
  type Assignment,
  type BatchContext,
  type PartitionOffsets,
  type OutgoingMessage,
  type Pool,
  type Publisher,
} from '@seckill/runtime';
import type { IntakeStore } from '../../src/intake/intake-store.ts';
import { createExpiryMetrics } from '../../src/expiry/metrics.ts';
import { createIntakeMetrics } from '../../src/intake/metrics.ts';
import { assembleIntake } from '../../src/intake/role.ts';
import { createSharedMetrics } from '../../src/metrics.ts';
import { Orders } from '../../src/orders/orders.ts';
import { Notices } from '../../src/payments/notices.ts';
import { Payments } from '../../src/payments/payments.ts';
import { createRelayMetrics } from '../../src/relay/metrics.ts';
import { createSalesMetrics } from '../../src/sales/metrics.ts';

export const logger = createLogger('test', 'silent');

export type TestMetrics = ReturnType<typeof createTestMetrics>;

/** Those of every role, in a registry of their own. */
export function createTestMetrics() {
  const registry = createRegistry();
  return {
    ...createSharedMetrics(registry),
    ...createIntakeMetrics(registry),
    ...createExpiryMetrics(registry),
    ...createRelayMetrics(registry),
    ...createSalesMetrics(registry),
  };
}

interface Readable {
  get(): Promise<{ values: { value: number; labels: Partial<Record<string, string | number>> }[] }>;
}

/** A counter's value for one label value; 0 when it never counted. */
export async function countOf(counter: Readable, label: string): Promise<number> {
  const { values } = await counter.get();
  return values.find(({ labels }) => Object.values(labels).includes(label))?.value ?? 0;
}

/** The real intake on a real Postgres; what it would publish is kept for the test to read. */
export function buildIntake(
  pool: Pool,
  options: {
    batchCountMax?: number;
    wrap?: (store: IntakeStore) => IntakeStore;
    /** Before a dead letter is confirmed; may throw. */
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
  const deps = { pool, publisher, wake: () => undefined, logger, metrics, batchCountMax };
  const intake = assembleIntake(deps, options.wrap);
  return { intake, letters, metrics };
}

/** Whatever ends an order on behalf of a person, on a real Postgres. */
export function buildEnds(pool: Pool) {
  const metrics = createTestMetrics();
  const seen = { wakes: 0 };
  const wake = () => {
    seen.wakes += 1;
  };
  const deps = { pool, wake, logger, metrics };
  const payments = new Payments(deps);
  const notices = new Notices({ ...deps, payments });
  return { orders: new Orders(deps), payments, notices, metrics, seen };
}

/** What Kafka's client would be asked for during a batch. */
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

/** One partition given to us, as after each rearrangement of the group, with what Kafka knows of it. */
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

/** Polls until the condition holds. @throws after 20 s, naming what never came. */
export async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited 20 s in vain for: ${what}`);
    await systemClock.sleep(10);
  }
}
