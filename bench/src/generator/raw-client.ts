/** A client that costs less than what it measures: prepared bytes out, status and length in. */
import { connect, type Socket } from 'node:net';

export interface RawLoad {
  host: string;
  port: number;
  connections: number;
  /**
   * Whole HTTP/1.1 requests. The client sends the requests in turn, again and again, over all connections
   * together.
   */
  requests: readonly string[];
}

export interface RawResult {
  seconds: number;
  answered: number;
  /** Answers by status. */
  statuses: Record<string, number>;
  /** Connections that ended or broke, or whose answer was no HTTP with a length. Each was opened again. */
  failures: number;
}

export interface RawClient {
  /** Asks on every connection, one request at a time, for this long. The last answers are waited for. */
  run(durationMs: number): Promise<RawResult>;
  close(): void;
}

const HEAD_END = '\r\n\r\n';
/** An answer that is not there by then counts as failed, and its connection is opened again. */
const DRAIN_MS = 5_000;

interface Connection {
  socket: Socket;
  /** What came of an answer that is not whole yet. */
  pending: Buffer | undefined;
  isBusy: boolean;
}

/**
 * autocannon costs 64–79 µs a request on the machine where this client costs 16–31, which hides what a cheap
 * answer costs the server beside it. This client knows only what our own servers send: a `Content-Length`, or
 * a status that has no body. Whatever else comes counts as a failure.
 */
export async function openRawClient(load: RawLoad): Promise<RawClient> {
  const requests = load.requests.map((text) => Buffer.from(text));
  let next = 0;
  let isRunning = false;
  let busy = 0;
  let onIdle: () => void = () => undefined;
  let statuses = new Map<number, number>();
  let failures = 0;

  function ask(connection: Connection): void {
    const request = requests[next];
    next = next + 1 === requests.length ? 0 : next + 1;
    if (!connection.isBusy) busy += 1;
    connection.isBusy = true;
    connection.socket.write(request ?? '');
  }

  function rest(connection: Connection): void {
    if (!connection.isBusy) return;
    connection.isBusy = false;
    busy -= 1;
    if (busy === 0) onIdle();
  }

  function hear(connection: Connection, chunk: Buffer): void {
    const bytes = connection.pending === undefined ? chunk : Buffer.concat([connection.pending, chunk]);
    const answer = readAnswer(bytes);
    if (answer === undefined) {
      connection.pending = bytes;
      return;
    }
    connection.pending = undefined;
    // One request at a time is under way, so nothing may follow an answer.
    if (answer.status === 0 || answer.length !== bytes.length) {
      connection.socket.destroy();
      return;
    }
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    if (isRunning) ask(connection);
    else rest(connection);
  }

  async function open(connection: Connection): Promise<void> {
    const socket = connect({ host: load.host, port: load.port, noDelay: true });
    connection.socket = socket;
    connection.pending = undefined;
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      hear(connection, chunk);
    });
    socket.once('close', () => {
      if (isClosed) return;
      failures += 1;
      const again = isRunning;
      open(connection).then(
        () => {
          if (again && isRunning) ask(connection);
          else rest(connection);
        },
        () => {
          rest(connection);
        },
      );
    });
  }

  let isClosed = false;
  const connections = Array.from({ length: load.connections }, (): Connection => ({
    socket: undefined as unknown as Socket,
    pending: undefined,
    isBusy: false,
  }));
  await Promise.all(connections.map((connection) => open(connection)));

  return {
    async run(durationMs) {
      statuses = new Map();
      failures = 0;
      isRunning = true;
      const startedAt = performance.now();
      for (const connection of connections) ask(connection);
      await new Promise((resolve) => setTimeout(resolve, durationMs));
      isRunning = false;
      const seconds = (performance.now() - startedAt) / 1_000;
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (busy === 0) resolve();
      });
      const late = setTimeout(() => {
        for (const { socket, isBusy } of connections) if (isBusy) socket.destroy();
      }, DRAIN_MS);
      await idle;
      clearTimeout(late);
      const answered = [...statuses.values()].reduce((sum, count) => sum + count, 0);
      return { seconds, answered, statuses: Object.fromEntries(statuses), failures };
    },
    close() {
      isClosed = true;
      for (const { socket } of connections) socket.destroy();
    },
  };
}

/** @returns undefined while the answer is not whole; status 0 for what this client does not understand. */
export function readAnswer(bytes: Buffer): { status: number; length: number } | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd).toLowerCase();
  const status = head.startsWith('http/1.1 ') ? Number(head.slice(9, 12)) : 0;
  if (!(status >= 200 && status < 600)) return { status: 0, length: bytes.length };
  const headLength = headEnd + HEAD_END.length;
  if (status === 204 || status === 304) return { status, length: headLength };
  const at = head.indexOf('\r\ncontent-length:');
  if (at < 0) return { status: 0, length: bytes.length };
  const length = headLength + parseInt(head.slice(at + 17), 10);
  if (Number.isNaN(length)) return { status: 0, length: bytes.length };
  return bytes.length < length ? undefined : { status, length };
}
