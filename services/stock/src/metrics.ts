import { INVARIANT_NAMES } from '@seckill/contracts';
import { Counter, Gauge, Histogram, type Registry } from '@seckill/runtime';
import type { AuditMemory } from './audit/memory.ts';

export type AuditMetrics = ReturnType<typeof createAuditMetrics>;
export type StockMetrics = ReturnType<typeof createStockMetrics>;
export type AnnouncerMetrics = ReturnType<typeof createAnnouncerMetrics>;
export type RelayMetrics = ReturnType<typeof createRelayMetrics>;
export type GateMetrics = ReturnType<typeof createGateMetrics>;
export type SettlerMetrics = ReturnType<typeof createSettlerMetrics>;

export function createStockMetrics(registry: Registry) {
  const registers = [registry];
  return {
    answers: new Counter({
      name: 'seckill_stock_reserve_answers_total',
      help: 'Items of reserve batches, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    batchItems: new Histogram({
      name: 'seckill_stock_reserve_batch_items',
      help: 'Items in a reserve batch',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'seckill_stock_reserve_batch_seconds',
      help: 'Time Redis took for a reserve batch',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
      registers,
    }),
  };
}

export function createAnnouncerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    announcements: new Counter({
      name: 'seckill_stock_announcements_total',
      help: 'States of lanes told to the gateways',
      registers,
    }),
    announcementFailures: new Counter({
      name: 'seckill_stock_announcement_failures_total',
      help: 'States that could not be told; gateways ask stock meanwhile',
      registers,
    }),
  };
}

export function createRelayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    messages: new Counter({
      name: 'seckill_stock_relay_messages_total',
      help: 'Messages that Kafka confirmed',
      registers,
    }),
    failures: new Counter({
      name: 'seckill_stock_relay_failures_total',
      help: 'Passes of the relay that failed and are repeated',
      registers,
    }),
    outboxEntries: new Gauge({
      name: 'seckill_stock_outbox_entries',
      help: 'Entries waiting for Kafka',
      labelNames: ['lane'],
      registers,
    }),
    outboxOldestSeconds: new Gauge({
      name: 'seckill_stock_outbox_oldest_age_seconds',
      help: 'Age of the first entry waiting for Kafka, by the clock of Redis',
      labelNames: ['lane'],
      registers,
    }),
    orphans: new Counter({
      name: 'seckill_stock_relay_orphans_total',
      help: 'Holds long past their end without settlement, published again; an increase wants a person',
      registers,
    }),
    retired: new Counter({
      name: 'seckill_stock_relay_retired_lanes_total',
      help: 'Lanes removed a day after their sale was over',
      registers,
    }),
  };
}

export function createGateMetrics(registry: Registry) {
  const registers = [registry];
  return {
    closedLanes: new Gauge({
      name: 'seckill_stock_gate_closed_lanes',
      help: 'Lanes that order wants open and that are not, as this process saw them last',
      registers,
    }),
    opened: new Counter({
      name: 'seckill_stock_gate_openings_total',
      help: 'Lanes opened, by way: compared (Redis held what Postgres stores), loaded (from a snapshot)',
      labelNames: ['way'] as const,
      registers,
    }),
    openSeconds: new Histogram({
      name: 'seckill_stock_gate_opening_seconds',
      help: 'From the closing of a lane by this process to its opening',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120],
      registers,
    }),
    failures: new Counter({
      name: 'seckill_stock_gate_failures_total',
      help: 'Attempts to open a lane that failed and are repeated',
      registers,
    }),
    loadedOrders: new Counter({
      name: 'seckill_stock_gate_loaded_orders_total',
      help: 'Orders of snapshots that were loaded',
      registers,
    }),
    settledHolds: new Counter({
      name: 'seckill_stock_gate_settled_holds_total',
      help: 'Holds that had ended in Postgres, found and settled before an opening',
      registers,
    }),
    /** Any increase wants a person: Kafka lost what it had confirmed. */
    publishedAgain: new Counter({
      name: 'seckill_stock_gate_published_again_total',
      help: 'Holds that Postgres did not know, published again before an opening',
      registers,
    }),
  };
}

export function createSettlerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    settlements: new Counter({
      name: 'seckill_stock_settler_settlements_total',
      help: 'Messages of seckill.settlements, by verdict and result: settled, absent, dead_letter',
      labelNames: ['verdict', 'result'] as const,
      registers,
    }),
    /** Any increase wants a person. */
    alarms: new Counter({
      name: 'seckill_stock_settler_alarms_total',
      help: 'Settlements that their lane contradicts (lane_broken)',
      labelNames: ['reason'] as const,
      registers,
    }),
    retries: new Counter({
      name: 'seckill_stock_settler_retries_total',
      help: 'Attempts repeated because Redis or Kafka was away',
      labelNames: ['target'] as const,
      registers,
    }),
    returnSeconds: new Histogram({
      name: 'seckill_stock_settler_return_seconds',
      help: 'From the end of an expired hold to its units being for sale, by the clock of Redis (INV-5: 2 s)',
      buckets: [0.5, 0.6, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 120],
      registers,
    }),
  };
}

/** The gauges are asked for when they are read: a round that hangs shows as an age that grows. */
export function createAuditMetrics(registry: Registry, memory: AuditMemory) {
  const registers = [registry];
  return {
    audits: new Counter({
      name: 'seckill_stock_audit_sales_total',
      help: 'Sales that were read and judged',
      registers,
    }),
    failures: new Counter({
      name: 'seckill_stock_audit_failures_total',
      help: 'Rounds of the audit that ended early, because an engine or order could not be asked',
      registers,
    }),
    /** Anything but 0 wants a person. */
    brokenSales: new Gauge({
      name: 'seckill_stock_audit_broken_sales',
      help: 'Sales in which an invariant was broken when it was last judged',
      labelNames: ['invariant'] as const,
      registers,
      collect() {
        for (const invariant of INVARIANT_NAMES) this.set({ invariant }, memory.broken(invariant).sales);
      },
    }),
    drift: new Gauge({
      name: 'seckill_stock_audit_drift_units',
      help: 'How far a broken invariant is off over all sales: units (INV-1, 3), reservations (INV-2, 5), keys (INV-4), buyers and channels (INV-6)',
      labelNames: ['invariant'] as const,
      registers,
      collect() {
        for (const invariant of INVARIANT_NAMES) this.set({ invariant }, memory.broken(invariant).drift);
      },
    }),
    unjudgedSeconds: new Gauge({
      name: 'seckill_stock_audit_age_seconds',
      help: 'Time since the audit was complete: since every sale was judged at least once',
      registers,
      collect() {
        this.set(memory.unjudgedSeconds);
      },
    }),
    inFlightSeconds: new Gauge({
      name: 'seckill_stock_audit_in_flight_seconds',
      help: 'The longest time for which a sale was in flight at every judgement, so that INV-2, 3 and 5 are not known',
      registers,
      collect() {
        this.set(memory.inFlightSeconds);
      },
    }),
  };
}
