import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';

type Lookup = (...request: unknown[]) => unknown;

interface Broker {
  brokerAddress: string;
  lookupRequest: Lookup;
}

const lookups = new WeakMap<Broker, Lookup>();

/** Kafkajs repeats this error, leaves the group and joins it again, and `isKafkaAway` knows it. */
function makeUnready(broker: Broker): Lookup {
  return () => {
    throw new kafkajs.KafkaJSConnectionError('Broker not connected', { broker: broker.brokerAddress });
  };
}

/**
 * In kafkajs 2.2.4 a broker whose first handshake is not over counts as connected, and its pool hands out a
 * seed broker that was never connected while another one is. Whoever asks such a broker gets a plain `Error`.
 * Kafkajs repeats only errors that it knows: a consumer ends for good, and with it the process, and a
 * publisher takes the error for our own bug. So the error becomes one of a connection that is away, which it
 * is. The constructor puts a function that throws into `lookupRequest`, and the handshake puts the real one
 * in its place: the first assignment is the one to be replaced.
 */
export function mendKafkaBroker(): void {
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/broker') as { prototype: Broker };
  if (Object.hasOwn(prototype, 'lookupRequest')) return;
  Object.defineProperty(prototype, 'lookupRequest', {
    get(this: Broker) {
      return lookups.get(this);
    },
    set(this: Broker, lookup: Lookup) {
      lookups.set(this, lookups.has(this) ? lookup : makeUnready(this));
    },
  });
}
