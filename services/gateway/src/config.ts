import { isIP } from 'node:net';
import { LIMITS } from '@seckill/contracts';
import { ConfigReader } from '@seckill/runtime';

export interface Config {
  host: string;
  port: number;
  metricsPort: number;
  logLevel: string;
  stockUrl: string;
  orderUrl: string;
  /** Where the states of the sales are heard; absent: nothing is answered from memory. */
  redisUrl: string | undefined;
  gatewayToken: string;
  jwtSecret: string;
  /** Standard Webhooks secrets of the payment provider, several during a rotation. */
  webhookSecrets: string[];
  payments: 'notifications' | 'sandbox';
  jwtIssuer: string | undefined;
  jwtAudience: string | undefined;
  docsBaseUrl: string;
  trustProxy: string | undefined;
  rateLimitUserMax: number;
  rateLimitAddressMax: number;
  /** A call to stock answers in a few milliseconds; what takes longer is told to the buyer as unknown. */
  stockTimeoutMs: number;
  orderTimeoutMs: number;
  stockConnections: number;
  /** Batches under way at a time: while all are, reservations gather for the next (decision 8). */
  reserveCallsMax: number;
  /** Reservations in one batch; 1 sends each by itself. */
  reserveBatchCountMax: number;
  /** Reservations that wait for a batch; one more is `overloaded`. */
  reserveQueueCountMax: number;
  /** How long one may wait for its batch before it is `overloaded`. */
  reserveWaitMs: number;
  orderConnections: number;
}

/** @throws ConfigError naming every variable that is missing or wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const reader = new ConfigReader(environment);
  const config: Config = {
    host: reader.string('HOST', { default: '0.0.0.0' }),
    port: reader.integer('PORT', { default: 8080, min: 0, max: 65_535 }),
    metricsPort: reader.integer('METRICS_PORT', { default: 9460, min: 0, max: 65_535 }),
    logLevel: reader.choice('LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'info'),
    stockUrl: reader.url('STOCK_URL', ['http', 'https']),
    orderUrl: reader.url('ORDER_URL', ['http', 'https']),
    redisUrl: reader.optionalUrl('REDIS_URL', ['redis', 'rediss']),
    gatewayToken: reader.secret('GATEWAY_TOKEN'),
    // HS256 needs a key as long as its hash: 32 bytes (RFC 7518, section 3.2).
    jwtSecret: reader.secret('JWT_SECRET', 32),
    webhookSecrets: readWebhookSecrets(reader),
    payments: reader.choice('PAYMENTS', ['notifications', 'sandbox'], 'notifications'),
    jwtIssuer: reader.optional('JWT_ISSUER'),
    jwtAudience: reader.optional('JWT_AUDIENCE'),
    trustProxy: readTrustProxy(reader),
    rateLimitUserMax: reader.integer('RATE_LIMIT_USER_MAX', { default: 10, min: 1, max: 1_000_000_000 }),
    rateLimitAddressMax: reader.integer('RATE_LIMIT_ADDRESS_MAX', {
      default: 1_000,
      min: 1,
      max: 1_000_000_000,
    }),
    docsBaseUrl: reader.optional('DOCS_BASE_URL') ?? '',
    stockTimeoutMs: reader.integer('STOCK_TIMEOUT_MS', { default: 2_000, min: 50, max: 30_000 }),
    orderTimeoutMs: reader.integer('ORDER_TIMEOUT_MS', { default: 2_000, min: 50, max: 30_000 }),
    // Two keep stock busy while one answer is on its way back; four because connections spread over stock's replicas.
    reserveCallsMax: reader.integer('RESERVE_CALLS_MAX', { default: 4, min: 1, max: 256 }),
    // About 5 ms of Redis' time (26,000 reserve scripts a second were measured, with every write synced), so that
    // other sales and the settler get their turn in between.
    reserveBatchCountMax: reader.integer('RESERVE_BATCH_COUNT_MAX', {
      default: 128,
      min: 1,
      max: LIMITS.reserveBatchMax,
    }),
    // About what one stock process answers in RESERVE_WAIT_MS: what stands further back would be refused for its age.
    reserveQueueCountMax: reader.integer('RESERVE_QUEUE_COUNT_MAX', {
      default: 8_192,
      min: 1,
      max: 1_000_000,
    }),
    // A buyer who hears "busy" after a second repeats; one who hears nothing for longer repeats anyway.
    reserveWaitMs: reader.integer('RESERVE_WAIT_MS', { default: 1_000, min: 10, max: 30_000 }),
    stockConnections: reader.integer('STOCK_CONNECTIONS_MAX', { default: 64, min: 1, max: 1_024 }),
    orderConnections: reader.integer('ORDER_CONNECTIONS_MAX', { default: 32, min: 1, max: 1_024 }),
  };
  reader.done();
  return config;
}

/** CIDRs or addresses only: a hop count is not supported by Fastify any more, and `true` lets a client choose its address. */
function readTrustProxy(reader: ConfigReader): string | undefined {
  const text = reader.optional('TRUST_PROXY');
  const entries = text?.split(',').map((entry) => entry.trim()) ?? [];
  const named = new Set(['loopback', 'linklocal', 'uniquelocal']);
  const isAddress = (entry: string) => isIP(entry.split('/', 1)[0] ?? '') !== 0;
  if (entries.some((entry) => !named.has(entry) && !isAddress(entry))) {
    reader.refuse('TRUST_PROXY must list addresses, CIDRs, loopback, linklocal or uniquelocal');
  }
  return text;
}

// Standard Webhooks 1.0.0: `whsec_` and 24 to 64 bytes in base64.
const WEBHOOK_SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

function readWebhookSecrets(reader: ConfigReader): string[] {
  const text = reader.secret('WEBHOOK_SECRETS');
  const secrets = text.split(/[\s,]+/).filter((secret) => secret !== '');
  if (text !== '' && !secrets.every((secret) => WEBHOOK_SECRET.test(secret))) {
    reader.refuse('WEBHOOK_SECRETS must be whsec_ secrets of 24 to 64 bytes, separated by commas or spaces');
  }
  return secrets;
}
