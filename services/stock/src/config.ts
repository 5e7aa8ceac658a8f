import { ConfigReader, readKafkaSettings, readTracing } from '@seckill/runtime';

export const ROLES = ['http', 'relay', 'settler', 'audit'] as const;
export type Role = (typeof ROLES)[number];

/** Reads the environment once. @throws ConfigError naming every problem. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env) {
  const reader = new ConfigReader(environment);
  const config = {
    redis: {
      url: reader.url('REDIS_URL', ['redis', 'rediss']),
      /** The URL leads to any node of a cluster, which tells the others. */
      isCluster: reader.boolean('REDIS_CLUSTER'),
    },
    kafka: readKafkaSettings(reader),
    tracing: readTracing(reader),
    orderUrl: reader.url('ORDER_URL', ['http', 'https']),
    /** Our own credential, shown to order. */
    stockToken: reader.secret('STOCK_TOKEN'),
    /** What callers show to us. */
    tokens: { gateway: reader.secret('GATEWAY_TOKEN'), order: reader.secret('ORDER_TOKEN') },
    host: reader.string('HOST', { default: '0.0.0.0' }),
    port: reader.integer('PORT', { default: 8081, min: 0, max: 65_535 }),
    metricsPort: reader.integer('METRICS_PORT', { default: 9461, min: 0, max: 65_535 }),
    roles: reader.choices('ROLES', ROLES),
    /** Callers need a few seconds to learn that a pod leaves; it serves on meanwhile. */
    drainMs: reader.integer('DRAIN_MS', { default: 5_000, min: 0, max: 60_000 }),
    logLevel: reader.string('LOG_LEVEL', {
      default: 'info',
      pattern: /^(trace|debug|info|warn|error|fatal|silent)$/,
    }),
    /** Entries per lane before `overloaded`; about 300 bytes each, so 30 MB. */
    outboxCountMax: reader.integer('RELAY_OUTBOX_COUNT_MAX', { default: 100_000, min: 1, max: 10_000_000 }),
    /**
     * Entries per XRANGE; 500 keep one answer of Redis below a millisecond or two. 2,000 of the largest, 3 kB
     * each, were read in 45 ms on two cores, of the 500 ms a command may take. What goes to Kafka at once is
     * bounded in publish-batches.ts.
     */
    batchCountMax: reader.integer('RELAY_BATCH_COUNT_MAX', { default: 500, min: 1, max: 2_000 }),
    /**
     * After a relay was killed its lanes wait this long for another, which looks twice within this time: 3 s
     * at the worst. A Kafka that takes longer than this to confirm lets two relays publish the same, which is
     * harmless.
     */
    leaseMs: reader.integer('RELAY_LEASE_MS', { default: 2_000, min: 100, max: 600_000 }),
    /**
     * A lane with new entries is told of. The relay looks at all lanes, with two commands each, for what was
     * not told, and for holds that nobody ended.
     */
    sweepMs: reader.integer('RELAY_SWEEP_MS', { default: 60_000, min: 10, max: 3_600_000 }),
    /** How long past its end a hold waits for its settlement before it is published again. */
    orphanGraceMs: reader.integer('ORPHAN_GRACE_MS', { default: 60_000, min: 0, max: 86_400_000 }),
    /** The same hold is published again at most once in this time. */
    orphanRepublishMs: reader.integer('ORPHAN_REPUBLISH_MS', { default: 60_000, min: 10, max: 86_400_000 }),
    /** Between two steps of 500 holds through one lane; 100,000 holds are looked through in 50 s. */
    orphanScanMs: reader.integer('ORPHAN_SCAN_MS', { default: 250, min: 10, max: 3_600_000 }),
    retirePollMs: reader.integer('RETIRE_POLL_MS', { default: 600_000, min: 10, max: 86_400_000 }),
    /** Settlements in one pipeline. */
    settleCountMax: reader.integer('SETTLER_BATCH_COUNT_MAX', { default: 256, min: 1, max: 10_000 }),
    /**
     * Between two rounds of the audit; each sums the live orders of a sale twice, 0.3 s of Postgres for
     * 100,000.
     */
    auditIntervalMs: reader.integer('AUDIT_INTERVAL_MS', { default: 30_000, min: 100, max: 3_600_000 }),
  };
  reader.done();
  return config;
}

export type Config = ReturnType<typeof readConfig>;
