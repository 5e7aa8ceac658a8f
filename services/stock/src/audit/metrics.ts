import { INVARIANT_NAMES } from '@seckill/contracts';
import { Counter, Gauge, type Registry } from '@seckill/runtime';
import type { AuditMemory } from './memory.ts';

export type AuditMetrics = ReturnType<typeof createAuditMetrics>;

/** The gauges are computed when they are read, so a round that hangs shows as an age that grows. */
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
      help: 'Rounds that ended early because an engine or order could not be asked',
      registers,
    }),
    /** Anything but 0 wants a person. */
    brokenSales: new Gauge({
      name: 'seckill_stock_audit_broken_sales',
      help: 'Sales in which the invariant was broken when it was last judged; anything but 0 wants a person',
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
      help: 'Time since every sale was judged at least once',
      registers,
      collect() {
        this.set(memory.unjudgedSeconds);
      },
    }),
    inFlightSeconds: new Gauge({
      name: 'seckill_stock_audit_in_flight_seconds',
      help: 'The longest time for which a sale was in flight at every look',
      registers,
      collect() {
        this.set(memory.inFlightSeconds);
      },
    }),
  };
}
