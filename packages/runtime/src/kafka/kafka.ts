import kafkajs, { type Kafka } from 'kafkajs';
import type { Logger } from '../logger.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { mendKafkaBroker } from './kafkajs/kafka-broker.ts';
import { mendKafkaOffsets } from './kafkajs/kafka-offsets.ts';
import { mendKafkaConnection } from './kafkajs/kafka-connection.ts';
import { mendKafkaTimer } from './kafkajs/kafka-timer.ts';

const { Kafka: KafkaClient, logLevel } = kafkajs;

export type { Kafka };

/** The password is in no log: kafkajs only tells whether `sasl` is there. */
export function createKafka({ brokers, ca, user }: KafkaSettings, clientId: string, logger: Logger): Kafka {
  mendKafkaTimer();
  mendKafkaBroker();
  mendKafkaOffsets();
  mendKafkaConnection();
  return new KafkaClient({
    clientId,
    brokers,
    // This is said explicitly, because NODE_TLS_REJECT_UNAUTHORIZED=0 decides where nothing is said.
    ...(ca === undefined ? {} : { ssl: { ca, rejectUnauthorized: true } }),
    ...(user === undefined ? {} : { sasl: { mechanism: 'scram-sha-512', ...user } }),
    // A broker's first handshake took up to 330 ms, further ones 30 to 70 (two cores at load 6): a busy
    // machine needs more.
    connectionTimeout: ca === undefined ? 1_000 : 3_000,
    requestTimeout: 10_000,
    // The retries are bounded: after about 5 s the caller hears of the failure and decides.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 6 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, log }) => {
        const { message, ...context } = log;
        if (level === logLevel.ERROR) logger.warn({ kafka: context }, message);
        else logger.debug({ kafka: context }, message);
      },
  });
}
