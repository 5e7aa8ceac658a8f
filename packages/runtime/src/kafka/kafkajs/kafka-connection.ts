import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import kafkajs from 'kafkajs';

interface Connection {
  broker: string;
  socket: Socket;
  /** What has come of an answer that is not whole: bytes, their count, and how many it needs. */
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
  send(request: unknown): Promise<unknown>;
}

/** Each answer begins with its length, as an int32. */
const LENGTH_BYTES = 4;

let isMended = false;

/**
 * Mends three things of kafkajs 2.2.4, in which one `Connection` is used for one socket after the other.
 *
 * A `Connection` keeps a socket on which a request got no answer in time, and repeats the request on it. When
 * the other end is gone without a word (a node without power, a router that forgot the connection), each
 * repetition waits for its own time-out: nothing was read from Kafka, and nothing written, for more than six
 * minutes (seed 329106 of the fire test). Kafka answers in order, so whatever was asked after a request
 * without an answer gets none either. Here such a socket ends, and the next request opens a new one.
 *
 * A `Connection` also keeps what came of an answer when its socket died in the middle of it, and takes the
 * first answer of the next socket for the rest. And two requests that find it closed open a socket each.
 */
export function mendKafkaConnection(): void {
  if (isMended) return;
  isMended = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/connection') as { prototype: Connection };
  const send = methodOf<[unknown]>(prototype, 'send');
  const connect = methodOf<[]>(prototype, 'connect');
  const connecting = new WeakMap<Connection, Promise<unknown>>();
  prototype.connect = async function connectAnew(this: Connection) {
    // Two at once would open two sockets, and the end of the one that is forgotten would end the other.
    const underWay = connecting.get(this);
    if (underWay !== undefined) return underWay;
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH_BYTES });
    const attempt = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, attempt);
    return attempt;
  };
  prototype.send = async function sendOrDrop(this: Connection, request: unknown) {
    const { socket } = this;
    try {
      return await send.call(this, request);
    } catch (error) {
      // Requests that waited together fail together, and the first of them may have been asked again already.
      if (error instanceof kafkajs.KafkaJSRequestTimeoutError && this.socket === socket) await drop(this);
      throw error;
    }
  };
}

type Method<Given extends unknown[]> = (this: Connection, ...given: Given) => Promise<unknown>;

function methodOf<Given extends unknown[]>(prototype: Connection, name: 'send' | 'connect'): Method<Given> {
  const method = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method<Given> | undefined;
  if (method === undefined) throw new Error(`kafkajs changed: Connection.${name} is gone`);
  return method;
}

/** Not `end`: on a half-open connection the farewell is never answered. */
async function drop(connection: Connection): Promise<void> {
  const { broker, socket } = connection;
  // kafkajs hears of the end by its connection, which may have another socket by then.
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => undefined);
  socket.destroy();
  connection.rejectRequests(new kafkajs.KafkaJSConnectionError('Connection without answers', { broker }));
  await connection.disconnect();
}
