/** Listens to a sale on many connections, in a process of its own, and tells when each heard "sold out". */
import { connect, type Socket } from 'node:net';

export type ToListeners =
  { kind: 'open'; host: string; port: number; path: string; count: number } | { kind: 'told' };
export type FromListeners =
  /** `refused` has the first answer that was no stream of events. */
  | { kind: 'opened'; listening: number; refused?: string }
  /** When each listener heard that nothing is left, by this machine's clock, in ms. */
  | { kind: 'heard'; at: number[] };

/** Connections that are opened at the same time: a listening socket keeps so many that wait. */
const OPENED_AT_ONCE = 256;
const NOTHING_LEFT = '"soldOut":"held"';

const heardAt: number[] = [];
let refused: string | undefined;

/** Resolves once the first event is there, or the connection is refused. @returns whether it listens */
function listen(host: string, port: number, request: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host, port, noDelay: true });
    let tail = '';
    let hasFirst = false;
    let hasHeard = false;
    socket.setEncoding('latin1');
    socket.once('connect', () => socket.write(request));
    socket.on('error', (error) => {
      refused ??= String(error);
    });
    socket.on('close', () => {
      resolve(false);
    });
    socket.on('data', (chunk: string) => {
      // A word may be cut between two chunks.
      const text = tail + chunk;
      tail = text.slice(-NOTHING_LEFT.length);
      if (!hasFirst && text.includes('data:')) {
        hasFirst = true;
        resolve(true);
      } else if (!hasFirst && !/^HTTP\/1\.1 200|^HTTP\/1\.1$|^$/.test(text.slice(0, 12))) {
        refused ??= text.slice(0, 200);
      }
      if (!hasHeard && text.includes(NOTHING_LEFT)) {
        hasHeard = true;
        heardAt.push(performance.timeOrigin + performance.now());
      }
    });
  });
}

async function open({ host, port, path, count }: Extract<ToListeners, { kind: 'open' }>): Promise<void> {
  const request = `GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n`;
  let next = 0;
  let listening = 0;
  await Promise.all(
    Array.from({ length: Math.min(count, OPENED_AT_ONCE) }, async () => {
      while (next < count) {
        next += 1;
        if (await listen(host, port, request)) listening += 1;
      }
    }),
  );
  const answer: FromListeners = { kind: 'opened', listening, ...(refused === undefined ? {} : { refused }) };
  process.send?.(answer);
}

process.on('message', (message: ToListeners) => {
  if (message.kind === 'open') void open(message);
  else process.send?.({ kind: 'heard', at: heardAt } satisfies FromListeners);
});
process.on('disconnect', () => process.exit(0));
