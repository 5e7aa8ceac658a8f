import { isIP } from 'node:net';
import { LIMITS } from '@seckill/contracts';
import { ConfigReader, readTracing, type RedisAddress, type TracingConfig } from '@seckill/runtime';
import { readContactKeys, type ContactKey } from './contacts/contact-keys.ts';
import {
  ALGORITHM_NAMES,
  jwksKeys,
  publicKeys,
  secretKeys,
  TokenKeyError,
  type TokenKeys,
} from './identity/token-keys.ts';

export interface Config {
  host: string;
  port: number;
  metricsPort: number;
  logLevel: string;
  /** Absent: nothing is traced. */
  tracing: TracingConfig | undefined;
  stockUrl: string;
  orderUrl: string;
  /** Where the gateway hears the states of the sales. When absent, nothing is answered from memory. */
  redis: RedisAddress | undefined;
  gatewayToken: string;
  tokenKeys: TokenKeys;
  /** Standard Webhooks secrets of the payment provider, several during a rotation. */
  webhookSecrets: string[];
  /** The first seals contacts of reservations, all open them. None: a contact is refused. */
  contactKeys: ContactKey[];
  payments: 'notifications' | 'sandbox';
  /** Serves the operators' page. */
  console: boolean;
  jwtIssuer: string | undefined;
  jwtAudience: string | undefined;
  docsBaseUrl: string;
  trustProxy: string | undefined;
  /** Origins whose pages may call the API from a browser. */
  allowedOrigins: string[];
  rateLimitUserMax: number;
  rateLimitAddressMax: number;
  /** The Redis that counts for all gateways together. When absent, each gateway counts by itself. */
  rateLimitRedisUrl: string | undefined;
  requestsMax: number;
  /** Listeners to events of sales, of this process and of one address. */
  listenersMax: number;
  addressListenersMax: number;
  drainMs: number;
  /** A call to stock answers in a few milliseconds. A longer one is told to the buyer as unknown. */
  stockTimeoutMs: number;
  orderTimeoutMs: number;
  stockConnections: number;
  /** Batches under way at a time. While all are, reservations gather for the next one (D8). */
  reserveCallsMax: number;
  /** Reservations in one batch; 1 sends each by itself. */
  reserveBatchCountMax: number;
  /** Reservations that wait for a batch; one more is `overloaded`. */
  reserveQueueCountMax: number;
  /** How long a reservation may wait for its batch before it is `overloaded`. */
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
    tracing: readTracing(reader),
    stockUrl: reader.url('STOCK_URL', ['http', 'https']),
    orderUrl: reader.url('ORDER_URL', ['http', 'https']),
    redis: readRedis(reader),
    gatewayToken: reader.secret('GATEWAY_TOKEN'),
    tokenKeys: readTokenKeys(reader),
    webhookSecrets: readWebhookSecrets(reader),
    contactKeys: readContactKeys(reader),
    payments: reader.choice('PAYMENTS', ['notifications', 'sandbox'], 'notifications'),
    console: reader.boolean('CONSOLE'),
    jwtIssuer: reader.optional('JWT_ISSUER'),
    jwtAudience: reader.optional('JWT_AUDIENCE'),
    trustProxy: readTrustProxy(reader),
    allowedOrigins: readAllowedOrigins(reader),
    rateLimitUserMax: reader.integer('RATE_LIMIT_USER_MAX', { default: 10, min: 1, max: 1_000_000_000 }),
    rateLimitAddressMax: reader.integer('RATE_LIMIT_ADDRESS_MAX', {
      default: 1_000,
      min: 1,
      max: 1_000_000_000,
    }),
    rateLimitRedisUrl: readRateLimitRedis(reader),
    // A process answers some thousands of requests a second, so this many are about a second of work. Whoever
    // stands further back would be refused for the wait (RESERVE_WAIT_MS).
    requestsMax: reader.integer('HTTP_REQUESTS_COUNT_MAX', { default: 10_000, min: 1, max: 1_000_000 }),
    listenersMax: reader.integer('EVENTS_LISTENERS_COUNT_MAX', { default: 10_000, min: 0, max: 1_000_000 }),
    addressListenersMax: reader.integer('EVENTS_ADDRESS_LISTENERS_COUNT_MAX', {
      default: 1_000,
      min: 1,
      max: 1_000_000,
    }),
    // Balancers need a few seconds to learn that a pod leaves.
    drainMs: reader.integer('DRAIN_MS', { default: 5_000, min: 0, max: 60_000 }),
    docsBaseUrl: reader.optional('DOCS_BASE_URL') ?? '',
    stockTimeoutMs: reader.integer('STOCK_TIMEOUT_MS', { default: 2_000, min: 50, max: 30_000 }),
    orderTimeoutMs: reader.integer('ORDER_TIMEOUT_MS', { default: 2_000, min: 50, max: 30_000 }),
    // Two calls keep stock busy while one answer is on its way back, and fewer calls carry more each. Two
    // calls gave 14 % more reservations a second than four, for 18 % less CPU each, with 64 buyers at once
    // (medians of four pairs in one run).
    reserveCallsMax: reader.integer('RESERVE_CALLS_MAX', { default: 2, min: 1, max: 256 }),
    // This many fill two calls of the script, which is 1.5 ms of Redis' time. Other sales and the settler get
    // their turn in between.
    reserveBatchCountMax: reader.integer('RESERVE_BATCH_COUNT_MAX', {
      default: 128,
      min: 1,
      max: LIMITS.reserveBatchMax,
    }),
    // One stock process answers about this many in RESERVE_WAIT_MS, and whatever stands further back would be
    // refused for its age. What one turn of the event loop brings waits here too, even when a call is free
    // for it.
    reserveQueueCountMax: reader.integer('RESERVE_QUEUE_COUNT_MAX', {
      default: 8_192,
      min: LIMITS.reserveBatchMax,
      max: 1_000_000,
    }),
    // A buyer who hears "busy" after a second repeats; one who hears nothing for longer repeats anyway.
    reserveWaitMs: reader.integer('RESERVE_WAIT_MS', { default: 1_000, min: 100, max: 30_000 }),
    stockConnections: reader.integer('STOCK_CONNECTIONS_MAX', { default: 64, min: 1, max: 1_024 }),
    orderConnections: reader.integer('ORDER_CONNECTIONS_MAX', { default: 32, min: 1, max: 1_024 }),
  };
  reader.done();
  return config;
}

/**
 * Exactly one of a secret, a public key and a JWKS may be set. With two, whoever knows the weaker one signs
 * for all.
 */
function readTokenKeys(reader: ConfigReader): TokenKeys {
  const algorithm = reader.optional('JWT_ALGORITHM');
  if (algorithm !== undefined && !ALGORITHM_NAMES.includes(algorithm)) {
    reader.refuse(`JWT_ALGORITHM must be one of ${ALGORITHM_NAMES.join(', ')}`);
  }
  const publicKey = reader.secretOrValue('JWT_PUBLIC_KEY');
  const jwksUrl = reader.optionalUrl('JWT_JWKS_URL', ['http', 'https']);
  const hasSecret = reader.secretOrValue('JWT_SECRET') !== undefined;
  if ([publicKey, jwksUrl, hasSecret || undefined].filter((one) => one !== undefined).length !== 1) {
    reader.refuse('exactly one of JWT_SECRET, JWT_PUBLIC_KEY and JWT_JWKS_URL is needed');
  }
  if (hasSecret || (publicKey === undefined && jwksUrl === undefined)) {
    if (algorithm !== undefined && algorithm !== 'HS256') reader.refuse('JWT_SECRET is a key for HS256');
    // The secret must be as long as its hash: 32 bytes (RFC 7518, section 3.2).
    return secretKeys(hasSecret ? reader.secret('JWT_SECRET', 32) : '');
  }
  if (algorithm === 'HS256')
    reader.refuse('JWT_ALGORITHM: HS256 needs JWT_SECRET; a public key is no secret');
  // An empty text was refused already.
  if (jwksUrl === '') return secretKeys('');
  if (jwksUrl !== undefined) return jwksKeys(jwksUrl, algorithm);
  try {
    return publicKeys(publicKey ?? '', algorithm);
  } catch (error) {
    if (!(error instanceof TokenKeyError)) throw error;
    reader.refuse(`JWT_PUBLIC_KEY: ${error.message}`);
    return secretKeys('');
  }
}

function readRedis(reader: ConfigReader): RedisAddress | undefined {
  const url = reader.optionalUrl('REDIS_URL', ['redis', 'rediss']);
  const isCluster = reader.boolean('REDIS_CLUSTER');
  return url === undefined ? undefined : { url, isCluster };
}

/**
 * The counts need a Redis of their own: they cost a write for each request, also for each "no", and that has
 * no place on the Redis that holds the units.
 */
function readRateLimitRedis(reader: ConfigReader): string | undefined {
  const url = reader.optionalUrl('RATE_LIMIT_REDIS_URL', ['redis', 'rediss']);
  const stock = reader.optionalUrl('REDIS_URL', ['redis', 'rediss']);
  const isSame = url && stock && new URL(url).host === new URL(stock).host;
  if (isSame) reader.refuse('RATE_LIMIT_REDIS_URL must be another Redis than REDIS_URL');
  return url;
}

/**
 * Only CIDRs and addresses are taken. Fastify does not support a hop count any more, and `true` lets a client
 * choose its address.
 */
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

/**
 * Each origin is named in full, as a browser sends it. A star would let any page in the world act for whoever
 * it gets a token of.
 */
function readAllowedOrigins(reader: ConfigReader): string[] {
  const origins = (reader.optional('ALLOWED_ORIGINS') ?? '').split(',').map((origin) => origin.trim());
  const named = origins.filter((origin) => origin !== '');
  const isOrigin = (text: string) =>
    /^https?:\/\//.test(text) && !text.includes('*') && URL.canParse(text) && new URL(text).origin === text;
  if (!named.every(isOrigin)) {
    reader.refuse('ALLOWED_ORIGINS must list origins such as https://shop.example, separated by commas');
  }
  return named;
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
