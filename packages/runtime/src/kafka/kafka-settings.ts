import { X509Certificate } from 'node:crypto';
import type { ConfigReader } from '../config.ts';

/**
 * How a Kafka lets us in. The settings are empty for a Kafka that takes everybody, over a plain connection.
 */
export interface KafkaAccess {
  /**
   * Certificates in PEM that the brokers' certificates are verified against. Nothing else is trusted, not
   * even the system's certificates.
   */
  ca?: string;
  /** The user logs in by SCRAM-SHA-512, and over TLS alone. */
  user?: { username: string; password: string };
}

export interface KafkaSettings extends KafkaAccess {
  /** `host:port` */
  brokers: string[];
}

export function readKafkaSettings(reader: ConfigReader): KafkaSettings {
  return { brokers: reader.list('KAFKA_BROKERS'), ...readKafkaAccess(reader) };
}

/**
 * KAFKA_TLS_CA switches TLS on. KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD name the user. Half a setting is
 * refused: a client that falls back to a plain connection, or to no user, tells everybody on the way what it
 * says.
 */
export function readKafkaAccess(reader: ConfigReader): KafkaAccess {
  const ca = reader.secretOrValue('KAFKA_TLS_CA');
  const username = reader.optional('KAFKA_SASL_USERNAME');
  if (ca !== undefined && !isCertificates(ca)) reader.refuse('KAFKA_TLS_CA holds no certificates in PEM');
  if (username === undefined) {
    if (reader.secretOrValue('KAFKA_SASL_PASSWORD') !== undefined) {
      reader.refuse('KAFKA_SASL_USERNAME is missing, KAFKA_SASL_PASSWORD is there');
    }
    return ca === undefined ? {} : { ca };
  }
  const password = reader.secret('KAFKA_SASL_PASSWORD');
  if (ca === undefined) {
    reader.refuse('KAFKA_SASL_USERNAME needs KAFKA_TLS_CA: without TLS anybody may pose as a broker');
    return {};
  }
  return { ca, user: { username, password } };
}

/**
 * Checks each certificate by itself. From a list of several, Node's TLS would leave out what it cannot read,
 * without a word.
 */
function isCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}
