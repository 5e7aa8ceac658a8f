/**
 * Tells the services of a stack their environment. The environment consists of their own secrets, then the
 * caller's variables, then the addresses of the engines.
 */
import { randomBytes } from 'node:crypto';
import type { EngineUrls } from '../engines/engine-set.ts';

export type Environment = Record<string, string | undefined>;

/** Each of these may also come as `<NAME>_FILE`, which the services prefer to the variable. */
const URLS = ['REDIS_URL', 'DATABASE_URL', 'STOCK_URL', 'ORDER_URL'];

/** How the caller's own Kafka lets clients in. A Kafka that we started takes everybody and speaks no TLS. */
const KAFKA_ACCESS = [
  ...['KAFKA_TLS_CA', 'KAFKA_TLS_CA_FILE', 'KAFKA_SASL_USERNAME'],
  ...['KAFKA_SASL_PASSWORD', 'KAFKA_SASL_PASSWORD_FILE'],
];

export function makeSecrets(): Record<string, string> {
  const secret = (): string => randomBytes(32).toString('base64url');
  return {
    JWT_SECRET: secret(),
    WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
    GATEWAY_TOKEN: secret(),
    ORDER_TOKEN: secret(),
    STOCK_TOKEN: secret(),
    CONTACT_KEY: randomBytes(32).toString('base64'),
  };
}

/**
 * Drops the variables that would set a trap. An empty secret would replace the one made here. A file would
 * hide the secret, or the address of an engine. stack.json would then tell other values than the services
 * use.
 */
function withoutTraps(variables: Environment, secrets: string[], engines: EngineUrls): Environment {
  // A stack of several nodes has a standby of its own.
  const standby = variables['DATABASE_REPLICA_URL'] === undefined ? [] : ['DATABASE_REPLICA_URL'];
  const files = [...secrets, ...URLS, ...standby].map((name) => `${name}_FILE`);
  const others = variables['KAFKA_BROKERS'] === engines.kafka ? [] : KAFKA_ACCESS;
  const isTrap = ([name, value]: [string, string | undefined]): boolean =>
    files.includes(name) || others.includes(name) || (secrets.includes(name) && (value ?? '') === '');
  return Object.fromEntries(Object.entries(variables).filter((entry) => !isTrap(entry)));
}

/** `variables`: the caller's environment, and what was asked for over it. */
export function makeEnvironment(variables: Environment, engines: EngineUrls): Environment {
  const secrets = makeSecrets();
  return {
    ...secrets,
    PAYMENTS: 'sandbox',
    LOG_LEVEL: 'info',
    // A stack has no load balancer in front.
    DRAIN_MS: '0',
    ...withoutTraps(variables, Object.keys(secrets), engines),
    // These values win over the caller's, because another value would break the stack.
    HOST: '127.0.0.1',
    REDIS_URL: engines.redis,
    KAFKA_BROKERS: engines.kafka,
    DATABASE_URL: engines.postgres,
  };
}
