/**
 * A Kafka as ../components/strimzi makes one: TLS by an authority of its own, users by SCRAM-SHA-512, nothing
 * allowed without an ACL. This Kafka is one node on loopback. The plain listener is the operators' way in and
 * stands above the ACLs, as Strimzi's does.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, freePorts, run, startKafka, tailOf, type KafkaAlone } from '@seckill/stack';
import kafkajs, { type AclOperationTypes as Operation } from 'kafkajs';
import type { KafkaUser } from './kafka-policy.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

export interface SecureKafka {
  /** `host:port` of the listener for users. */
  brokers: string;
  /** `host:port` of the plain listener for operators. */
  plain: string;
  /** The authority's certificate in PEM. */
  ca: string;
  passwords: Record<string, string>;
  /** The rules by which the authorizer has allowed anything so far, as `user type name operation`. */
  rulesUsed(): Set<string>;
  stop(): Promise<void>;
}

const DECISIONS = 'authorizer.log';

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

/** Makes an authority, and its certificate for 127.0.0.1 with the key in `broker.pem`, as Kafka reads it. */
async function makeCertificates(openssl: string, folder: string): Promise<string> {
  const call = async (...args: string[]): Promise<void> => {
    const { ok, stderr } = await run(openssl, args, { timeoutMs: 60_000, cwd: folder });
    if (!ok) throw new Error(`openssl ${args.join(' ')} failed:\n${tailOf(stderr)}`);
  };
  await call('req', '-x509', ...CURVE, '-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.crt');
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE', '-subj', '/CN=kafka'];
  await call('req', '-x509', ...CURVE, ...signed, ...leaf, '-keyout', 'broker.key', '-out', 'broker.crt');
  const parts = ['broker.key', 'broker.crt', 'ca.crt'].map((file) =>
    readFileSync(join(folder, file), 'utf8'),
  );
  writeFileSync(join(folder, 'broker.pem'), parts.join(''), { mode: 0o600 });
  return parts[2] ?? '';
}

function listenerSettings(
  ours: Record<string, string>,
  port: number,
  folder: string,
): Record<string, string> {
  const secure = `SECURE://127.0.0.1:${port}`;
  return {
    listeners: `${ours['listeners'] ?? ''},${secure}`,
    'advertised.listeners': `${ours['advertised.listeners'] ?? ''},${secure}`,
    'listener.security.protocol.map': `${ours['listener.security.protocol.map'] ?? ''},SECURE:SASL_SSL`,
    'listener.name.secure.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.secure.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'listener.name.secure.ssl.keystore.type': 'PEM',
    'listener.name.secure.ssl.keystore.location': join(folder, 'broker.pem'),
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': 'false',
    'super.users': 'User:ANONYMOUS',
    // A session lasts 12 s. kafkajs authenticates again 10 s before its end, so every 2 s here, and nobody
    // may notice that.
    'listener.name.secure.scram-sha-512.connections.max.reauth.ms': '12000',
  };
}

/**
 * The authorizer writes each decision as a line of a file of its own. Decisions on lists of topics are told
 * at the level trace alone.
 */
function writeLogging(folder: string): string {
  const file = join(folder, 'log4j2.properties');
  const lines = [
    'status = warn',
    ...['type = Console', 'name = out', 'layout.type = PatternLayout'].map((line) => `appender.out.${line}`),
    'appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n',
    'rootLogger.level = warn',
    'rootLogger.appenderRef.out.ref = out',
    ...['type = File', 'name = acl', 'layout.type = PatternLayout'].map((line) => `appender.acl.${line}`),
    'appender.acl.layout.pattern = %m%n',
    `appender.acl.fileName = ${join(folder, DECISIONS)}`,
    'logger.acl.name = kafka.authorizer.logger',
    'logger.acl.level = trace',
    'logger.acl.additivity = false',
    'logger.acl.appenderRef.acl.ref = acl',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

function readRules(file: string): Set<string> {
  const text = readFileSync(file, 'utf8');
  const rules = text.matchAll(
    /is Allowed .*resourceType=(\w+), resourceName=([\w.-]+), patternType=\w+, principal=User:([\w-]+), host=\*, operation=(\w+)/g,
  );
  return new Set(
    [...rules].map(([, type = '', name, user, operation = '']) =>
      [user, type.toLowerCase(), name, operation.toLowerCase()].join(' '),
    ),
  );
}

/** @returns undefined where no Kafka or no openssl can be had. */
export async function startSecureKafka(name: string, users: KafkaUser[]): Promise<SecureKafka | undefined> {
  const openssl = findProgram('openssl');
  if (openssl === undefined) return undefined;
  const passwords = Object.fromEntries(
    users.map(({ metadata }) => [metadata.name, randomBytes(24).toString('base64url')]),
  );
  const made = { ca: '', brokers: '' };
  let decisions = '';
  const kafka = await startKafka(name, async (ours, folder) => {
    const [port] = (await freePorts(1)) as [number];
    made.brokers = `127.0.0.1:${port}`;
    made.ca = await makeCertificates(openssl, folder);
    const format = Object.entries(passwords).flatMap(([user, password]) => [
      '--add-scram',
      `SCRAM-SHA-512=[name=${user},password=${password}]`,
    ]);
    decisions = join(folder, DECISIONS);
    const java = [`-Dlog4j2.configurationFile=${writeLogging(folder)}`];
    return { settings: listenerSettings(ours, port, folder), format, java };
  });
  if (kafka === undefined) return undefined;
  try {
    await allow(kafka, users);
  } catch (error) {
    await kafka.stop();
    throw error;
  }
  return {
    ...made,
    plain: kafka.url,
    passwords,
    rulesUsed: () => readRules(decisions),
    stop: () => kafka.stop(),
  };
}

const OPERATIONS: Record<string, Operation> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Delete: AclOperationTypes.DELETE,
  Describe: AclOperationTypes.DESCRIBE,
};

/** Makes a user and its ACLs of a KafkaUser, as Strimzi's user operator does. */
async function allow({ url }: KafkaAlone, users: KafkaUser[]): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [url], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const acl = users.flatMap(({ metadata, spec }) =>
      (spec.authorization?.acls ?? []).flatMap(({ resource, operations }) =>
        operations.map((operation) => ({
          principal: `User:${metadata.name}`,
          host: '*',
          permissionType: AclPermissionTypes.ALLOW,
          operation: OPERATIONS[operation] ?? AclOperationTypes.UNKNOWN,
          resourceType: resource.type === 'topic' ? AclResourceTypes.TOPIC : AclResourceTypes.GROUP,
          resourceName: resource.name ?? '',
          resourcePatternType:
            resource.patternType === 'prefix' ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
        })),
      ),
    );
    await admin.createAcls({ acl });
  } finally {
    await admin.disconnect();
  }
}
