/**
 * Sends one question to a TCP server and reads the first bytes of its answer. This is enough to see whether
 * an engine is ready.
 */
import { createConnection } from 'node:net';

const ANSWER_MS = 2_000;

/** Resolves when `isWhole` accepts what came; rejects on a closed connection or after 2 s. */
export function ask(
  url: string,
  question: Buffer | string,
  isWhole: (answer: Buffer) => boolean,
): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer within 2 s')));
    socket.once('connect', () => socket.write(question));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (!isWhole(answer)) return;
      socket.destroy();
      resolve(answer);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error('connection closed'));
    });
  });
}
