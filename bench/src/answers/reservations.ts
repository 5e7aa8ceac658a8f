import { randomUUID } from 'node:crypto';
import { plainSale } from '../scenarios/load/load.ts';
import type { Target } from '../target/target.ts';

/**
 * Buyers that ask in turn. The gateway knows their tokens after the warm-up, as it knows those of a crowd
 * that waits.
 */
const BUYERS = 1_000;

/** Requests as they go over the wire, each with a key of its own. */
export function makeReservations(target: Target, saleId: string, count: number): string[] {
  const tokens = Array.from({ length: BUYERS }, (_, index) => target.tokenOf(`raw-${index}`));
  const sku = plainSale(1).items[0]?.sku ?? '';
  const body = JSON.stringify({ lines: [{ sku, quantity: 1 }] });
  return Array.from({ length: count }, (_, index) =>
    [
      `POST /v1/sales/${saleId}/reservations HTTP/1.1`,
      'host: bench',
      `authorization: Bearer ${tokens[index % BUYERS] ?? ''}`,
      'content-type: application/json',
      `idempotency-key: ${randomUUID()}`,
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}
