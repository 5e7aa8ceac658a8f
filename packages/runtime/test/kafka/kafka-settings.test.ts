// Goal: a Kafka client speaks TLS and names its user, or does not start: never half of it, and never with its
// secret in a message. Method: made-up environments.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { test } from 'tap';
import { ConfigReader, isRefusal, readKafkaSettings } from '../../src/index.ts';

const CA = rootCertificates[0] ?? '';
const PASSWORD = 'hunter2-'.repeat(4);
const BROKERS = { KAFKA_BROKERS: 'a:9092,b:9092' };
const USER = { KAFKA_SASL_USERNAME: 'stock', KAFKA_SASL_PASSWORD: PASSWORD };

const folder = mkdtempSync(join(tmpdir(), 'seckill-kafka-'));
function fileOf(name: string, text: string): string {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}

function read(environment: NodeJS.ProcessEnv) {
  const reader = new ConfigReader({ ...BROKERS, ...environment });
  const settings = readKafkaSettings(reader);
  reader.done();
  return settings;
}

await test('without a word about it, Kafka is spoken to in the plain', async (t) => {
  t.strictSame(read({}), { brokers: ['a:9092', 'b:9092'] });
});

await test('certificates and password come from variables or from files', async (t) => {
  const expected = {
    brokers: ['a:9092', 'b:9092'],
    ca: CA,
    user: { username: 'stock', password: PASSWORD },
  };
  t.strictSame(read({ KAFKA_TLS_CA: CA, ...USER }), expected);
  const files = {
    KAFKA_TLS_CA_FILE: fileOf('ca.crt', `${CA}\n`),
    KAFKA_SASL_USERNAME: 'stock',
    KAFKA_SASL_PASSWORD_FILE: fileOf('password', `${PASSWORD}\n`),
  };
  t.strictSame(read(files), expected);
  t.strictSame(read({ KAFKA_TLS_CA: CA }), { brokers: expected.brokers, ca: CA }, 'TLS alone');
});

await test('a setting that is half there or malformed is refused, and no secret is echoed', async (t) => {
  const broken = CA.replace(/\n[^\n]+\n/, '\nhunter2\n');
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [USER, /KAFKA_SASL_USERNAME needs KAFKA_TLS_CA/],
    [{ KAFKA_TLS_CA: CA, KAFKA_SASL_USERNAME: 'stock' }, /KAFKA_SASL_PASSWORD .* is missing/],
    [{ KAFKA_TLS_CA: CA, KAFKA_SASL_PASSWORD: PASSWORD }, /KAFKA_SASL_USERNAME is missing/],
    [
      { KAFKA_TLS_CA: CA, KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: PASSWORD },
      /KAFKA_SASL_USERNAME is missing/,
    ],
    [{ KAFKA_TLS_CA: CA, ...USER, KAFKA_SASL_PASSWORD: 'hunter2' }, /shorter than 32/],
    [{ KAFKA_TLS_CA: CA, KAFKA_SASL_PASSWORD_FILE: '/nowhere' }, /KAFKA_SASL_PASSWORD_FILE cannot be read/],
    [{ KAFKA_TLS_CA: '/run/hunter2.pem', ...USER }, /KAFKA_TLS_CA holds no certificates/],
    [{ KAFKA_TLS_CA: broken }, /KAFKA_TLS_CA holds no certificates/],
    [{ KAFKA_TLS_CA: `${CA}\n${broken}` }, /KAFKA_TLS_CA holds no certificates/],
    [{ KAFKA_TLS_CA_FILE: fileOf('empty', '') }, /KAFKA_TLS_CA holds no certificates/],
    [{ KAFKA_TLS_CA_FILE: '/nowhere/ca.crt' }, /KAFKA_TLS_CA_FILE cannot be read \(ENOENT\)/],
  ];
  for (const [environment, problem] of cases) {
    try {
      read(environment);
      t.fail(`not refused: ${String(problem)}`);
    } catch (error) {
      t.match(error, { code: 'SECKILL_CONFIG_INVALID', message: problem });
      t.notMatch(String(error), /hunter2/);
    }
  }
});

await test('a Kafka that refuses us is told from one that is away', async (t) => {
  const named = (name: string, message: string, more: object = {}): Error =>
    Object.assign(new Error(message), { name, ...more });
  const sasl = 'KafkaJSSASLAuthenticationError';
  const untrusted = named('KafkaJSConnectionError', 'x', { code: 'SELF_SIGNED_CERT_IN_CHAIN' });
  const refusals = [
    named(sasl, 'SASL SCRAM SHA512 authentication failed: invalid credentials'),
    named('KafkaJSProtocolError', 'x', { type: 'GROUP_AUTHORIZATION_FAILED' }),
    untrusted,
    named('KafkaJSNumberOfRetriesExceeded', 'x', { cause: untrusted }),
  ];
  t.same(refusals.map(isRefusal), [true, true, true, true]);
  const others = [
    named(
      sasl,
      'SASL SCRAM SHA512 authentication failed: Request SaslAuthenticate(key: 36, version: 1) timed out',
    ),
    named(sasl, 'SASL SCRAM SHA512 authentication failed: Closed connection'),
    named('KafkaJSConnectionError', 'Connection timeout'),
    named('KafkaJSConnectionError', 'x', { code: 'ECONNREFUSED' }),
    'not an error',
  ];
  t.same(others.map(isRefusal), [false, false, false, false, false]);
});
