import { ConfigReader, readKafkaSettings, readTracing } from '@seckill/runtime';

export const ROLES = ['http', 'intake', 'expiry', 'relay', 'webhooks'] as const;

const POSTGRES = ['postgres', 'postgresql'];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every problem of the environment. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env) {
  const reader = new ConfigReader(environment);
  const config = {
    databaseUrl: reader.url('DATABASE_URL', POSTGRES),
    /** Where reports are read, so that they take nothing from a sale. Absent: from the primary. */
    databaseReplicaUrl: reader.optionalUrl('DATABASE_REPLICA_URL', POSTGRES),
    kafka: readKafkaSettings(reader),
    tracing: readTracing(reader),
    stockUrl: reader.url('STOCK_URL', ['http', 'https']),
    /** Ours, shown to stock. */
    orderToken: reader.secret('ORDER_TOKEN'),
    /** The callers'. */
    gatewayToken: reader.secret('GATEWAY_TOKEN'),
    stockToken: reader.secret('STOCK_TOKEN'),
    host: reader.string('HOST', { default: '0.0.0.0' }),
    port: reader.integer('PORT', { default: 8082, min: 0, max: 65_535 }),
    metricsPort: reader.integer('METRICS_PORT', { default: 9462, min: 0, max: 65_535 }),
    roles: reader.choices('ROLES', ROLES),
    /** Callers need a few seconds to learn that a pod leaves; it serves on meanwhile. */
    drainMs: reader.integer('DRAIN_MS', { default: 5_000, min: 0, max: 60_000 }),
    logLevel: reader.choice('LOG_LEVEL', LOG_LEVELS, 'info'),
    // INSERT from unnest wrote 91,000 rows a second in batches of 500 and 110,000 in batches of 2,000; a
    // bigger chunk holds the ledger's rows longer.
    intakeBatchCountMax: reader.integer('INTAKE_BATCH_COUNT_MAX', { default: 500, min: 1, max: 5_000 }),
    /** `sandbox` lets a buyer pay without a provider: never with real orders. */
    payments: reader.choice('PAYMENTS', ['notifications', 'sandbox'], 'notifications'),
    // A batch holds the ledger's rows while it lasts, and the intake waits for them: about 50 ms.
    expiryBatchCountMax: reader.integer('EXPIRY_BATCH_COUNT_MAX', { default: 500, min: 1, max: 5_000 }),
    // How long after its end, by Postgres' clock, a hold is ended. That clock may be ahead of Redis',
    // which set the end. A larger skew is alarmed (docs/recovery.md, "Time").
    expiryGraceMs: reader.integer('EXPIRY_GRACE_MS', { default: 500, min: 0, max: 60_000 }),
    expiryPollMs: reader.integer('EXPIRY_POLL_MS', { default: 100, min: 10, max: 10_000 }),
    // About 200 kB of settlements, far below the 1 MiB that Kafka takes at once.
    relayBatchCountMax: reader.integer('RELAY_BATCH_COUNT_MAX', { default: 500, min: 1, max: 2_000 }),
    // A user who may register an endpoint could otherwise reach into the operator's network.
    webhookAllowPrivate: reader.boolean('WEBHOOK_ALLOW_PRIVATE'),
    outboxKeepSeconds: reader.integer('OUTBOX_KEEP_SECONDS', { default: 3_600, min: 0, max: 2_592_000 }),
  };
  reader.done();
  return config;
}

/** @throws ConfigError */
export function readMigrateConfig(environment: NodeJS.ProcessEnv = process.env) {
  const reader = new ConfigReader(environment);
  const config = { databaseUrl: reader.url('DATABASE_URL', POSTGRES) };
  reader.done();
  return config;
}

/** @throws ConfigError */
export function readTopicsConfig(environment: NodeJS.ProcessEnv = process.env) {
  const reader = new ConfigReader(environment);
  const config = {
    kafka: readKafkaSettings(reader),
    replicationFactor: reader.integer('TOPICS_REPLICATION_FACTOR', { default: 1, min: 1, max: 9 }),
    minInSyncReplicas: reader.integer('TOPICS_MIN_IN_SYNC_REPLICAS', { default: 1, min: 1, max: 9 }),
  };
  reader.done();
  return config;
}
