import { ConfigReader } from '@seckill/runtime';

export const ROLES = ['http', 'intake'] as const;
export type Role = (typeof ROLES)[number];

const POSTGRES = ['postgres', 'postgresql'];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type Config = ReturnType<typeof readConfig>;

/** @throws ConfigError naming every problem of the environment. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env) {
  const reader = new ConfigReader(environment);
  const config = {
    databaseUrl: reader.url('DATABASE_URL', POSTGRES),
    kafkaBrokers: reader.list('KAFKA_BROKERS'),
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
    logLevel: reader.choice('LOG_LEVEL', LOG_LEVELS, 'info'),
    // unnest x500 wrote 91k rows/s, x2000 110k; a bigger chunk holds the ledger's rows longer (field notes, section 5).
    intakeBatchCountMax: reader.integer('INTAKE_BATCH_COUNT_MAX', { default: 500, min: 1, max: 5_000 }),
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
    kafkaBrokers: reader.list('KAFKA_BROKERS'),
    replicationFactor: reader.integer('TOPICS_REPLICATION_FACTOR', { default: 1, min: 1, max: 9 }),
    minInSyncReplicas: reader.integer('TOPICS_MIN_IN_SYNC_REPLICAS', { default: 1, min: 1, max: 9 }),
  };
  reader.done();
  return config;
}
