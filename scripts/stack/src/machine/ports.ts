import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Whether this loopback port can be listened on now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * The kernel gives ports of its ephemeral range (from 32768 on Linux, from 49152 elsewhere) to outgoing
 * connections, of which a stack makes hundreds. One of them took the port of a gateway that was about to
 * start (EADDRINUSE). So ports to listen on come from below that range.
 */
const LOWEST = 10_000;
const BEYOND = 32_768;
/** So many attempts fail one after the other only where hardly any port is free. */
const ATTEMPTS_MAX = 100;

/**
 * Finds `count` different free loopback ports. Another process may take one before it is used, so callers try
 * again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt += 1) {
    if (attempt === count + ATTEMPTS_MAX) throw new Error(`no ${count} free ports from ${LOWEST}`);
    const port = randomInt(LOWEST, BEYOND);
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}
