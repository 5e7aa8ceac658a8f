import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import kafkajs from 'kafkajs';

interface Connection {
  broker: string;
  socket: Socket;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
  send(request: unknown): Promise<unknown>;
}

let isMended = false;

/**
 * kafkajs 2.2.4 keeps a connection on which a request got no answer in time, and repeats the request on it.
 * When the other end is gone without a word (a node without power, a router that forgot the connection), each
 * repetition waits for its own time-out: nothing was read from Kafka, and nothing written, for more than six
 * minutes (seed 329106 of the fire test). Kafka answers in order, so whatever was asked after a request
 * without an answer gets none either. Here such a connection ends, and the next request opens a new one.
 */
export function mendKafkaConnection(): void {
  if (isMended) return;
  isMended = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/connection') as { prototype: Connection };
  const original = Object.getOwnPropertyDescriptor(prototype, 'send')?.value as
    ((this: Connection, request: unknown) => Promise<unknown>) | undefined;
  if (original === undefined) throw new Error('kafkajs changed: Connection.send is gone');
  prototype.send = async function send(this: Connection, request: unknown) {
    const { socket } = this;
    try {
      return await original.call(this, request);
    } catch (error) {
      // Requests that waited together fail together, and the first of them may have been asked again already.
      if (error instanceof kafkajs.KafkaJSRequestTimeoutError && this.socket === socket) await drop(this);
      throw error;
    }
  };
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
