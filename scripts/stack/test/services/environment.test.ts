/**
 * The services use the secrets and addresses that stack.json tells, whatever the caller's environment holds.
 * Method: the environment as it is made, read by the same reader as the services read it.
 */
import { ConfigReader } from '@seckill/runtime';
import { test } from 'tap';
import { makeEnvironment } from '../../src/services/environment.ts';

const SECRETS = [
  'JWT_SECRET',
  'WEBHOOK_SECRETS',
  'GATEWAY_TOKEN',
  'ORDER_TOKEN',
  'STOCK_TOKEN',
  'CONTACT_KEY',
];
const ENGINES = { redis: 'redis://127.0.0.1:1', kafka: '127.0.0.1:2', postgres: 'postgres://127.0.0.1:3/d' };

await test('each stack has secrets of its own', async (t) => {
  const made = [makeEnvironment({}, ENGINES), makeEnvironment({}, ENGINES)];
  const secrets = made.flatMap((env) => SECRETS.map((name) => env[name]));
  t.equal(new Set(secrets).size, 2 * SECRETS.length);
  t.ok(secrets.every((secret) => (secret?.length ?? 0) >= 32));
});

await test('an empty secret of the caller does not replace the one that was made', async (t) => {
  for (const name of SECRETS) {
    t.ok((makeEnvironment({ [name]: '' }, ENGINES)[name]?.length ?? 0) >= 32, name);
    t.ok((makeEnvironment({ [name]: undefined }, ENGINES)[name]?.length ?? 0) >= 32, `${name} undefined`);
  }
});

await test('a file of the caller hides neither a secret nor an address from the services', async (t) => {
  for (const name of [...SECRETS, 'REDIS_URL', 'DATABASE_URL', 'STOCK_URL', 'ORDER_URL']) {
    const env = { STOCK_URL: 'http://127.0.0.1:4', ORDER_URL: 'http://127.0.0.1:5' };
    const made = { ...makeEnvironment({ [`${name}_FILE`]: '/etc/hostname' }, ENGINES), ...env };
    t.ok(new ConfigReader(made).secretOrValue(name) === made[name as keyof typeof made], name);
  }
});

await test('secrets and settings of the caller are used, the engines are ours', async (t) => {
  const caller = {
    JWT_SECRET: 'a'.repeat(43),
    PAYMENTS: 'notifications',
    RATE_LIMIT_USER_MAX: '7',
    JWT_ISSUER: '',
    REDIS_URL: 'redis://elsewhere.example',
    HOST: '0.0.0.0',
  };
  t.match(makeEnvironment(caller, ENGINES), { ...caller, REDIS_URL: ENGINES.redis, HOST: '127.0.0.1' });
});

await test('the services are told how Kafka lets them in when the caller names the Kafka, and not when we start it', async (t) => {
  const access = { KAFKA_TLS_CA_FILE: '/ca.pem', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD_FILE: '/p' };
  t.match(makeEnvironment({ ...access, KAFKA_BROKERS: ENGINES.kafka }, ENGINES), access);
  const ours = makeEnvironment({ ...access, KAFKA_TLS_CA: 'x', KAFKA_SASL_PASSWORD: 'y' }, ENGINES);
  t.same(
    Object.keys(ours).filter((name) => /^KAFKA_(TLS|SASL)/.test(name)),
    [],
  );
});
