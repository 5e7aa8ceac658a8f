import { randomUUID } from 'node:crypto';
import type { Pool } from 'undici';
import type { Answer, Client } from './stack.ts';

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

type Options = Partial<Parameters<Client['send']>[0]> & { quantity?: number };

/** Makes a function that reserves units of `a` for this buyer, under a new key unless told otherwise. */
export function makeReserve(client: Client, token: string) {
  return (saleId: string, { quantity = 1, ...request }: Options = {}): Promise<Answer> =>
    client.send({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      token,
      key: randomUUID(),
      ...(request.raw === undefined && request.body === undefined
        ? { body: { lines: [{ sku: 'a', quantity }] } }
        : {}),
      ...request,
    });
}
