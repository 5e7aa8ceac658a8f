/** For tests, the bench and a simulation; the service itself starts with main.ts. */
export * from './app.ts';
export * from './handover.ts';
export * from './intake-consumer.ts';
export * from './intake-store.ts';
export * from './intake.ts';
export * from './ledger.ts';
export * from './metrics.ts';
export * from './migrate.ts';
export * from './orders.ts';
export * from './sale-definition.ts';
export * from './sale-store.ts';
export * from './sales.ts';
export * from './topics.ts';
