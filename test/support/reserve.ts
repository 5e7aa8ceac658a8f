import type { Pool } from 'undici';
import type { Client } from './stack.ts';

export interface Told {
  status: number;
  code?: string;
  text: string;
  retryAfter: number;
}

/** Asks one gateway for one unit of `a`. */
export async function reserveOne(
  client: Client,
  pool: Pool,
  saleId: string,
  userId: string,
  key: string,
): Promise<Told> {
  const {
    statusCode: status,
    headers,
    body,
  } = await pool.request({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    headers: {
      authorization: `Bearer ${await client.token(userId)}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ lines: [{ sku: 'a', quantity: 1 }] }),
  });
  const text = await body.text();
  const { code } = JSON.parse(text) as { code?: string };
  return {
    status,
    text,
    retryAfter: Number(headers['retry-after'] ?? 0),
    ...(code === undefined ? {} : { code }),
  };
}
