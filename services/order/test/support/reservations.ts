import { randomBytes } from 'node:crypto';
import {
  formatReservationId,
  HEADERS,
  RESERVATION_CREATED,
  TOPICS,
  type PaymentNotification,
  type ReservationCreated,
  type ReservationSettled,
  type SaleInput,
} from '@seckill/contracts';
import { keyHashOf, type Batch, type IncomingMessage, type Pool } from '@seckill/runtime';
import type { Verdict } from '../../src/relay/outbox.ts';
import { defineSale, fingerprintOf } from '../../src/sales/sale-definition.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { buildIntake, makeContext } from './build.ts';

export function makeSaleInput(changes: Partial<SaleInput> = {}): SaleInput {
  return {
    id: `sale-${randomBytes(4).toString('hex')}`,
    title: '赣南脐橙 5kg',
    closesAt: '2099-01-01T00:00:00.000Z',
    items: [{ sku: 'orange', title: '脐橙', price: { amount: 2_990, currency: 'CNY' }, total: 100 }],
    ...changes,
  };
}

/**
 * Writes a sale with these totals, open under epoch 1, straight into Postgres, because the intake does not
 * mind how it came there.
 */
export async function storeSale(
  pool: Pool,
  totals: Record<string, number>,
  changes: Partial<SaleInput> = {},
): Promise<string> {
  const items = Object.entries(totals).map(([sku, total]) => ({
    sku,
    title: sku,
    price: { amount: 100, currency: 'CNY' },
    total,
  }));
  const input = makeSaleInput({ items, ...changes });
  const definition = defineSale(input.id ?? '', input, Date.now());
  await new SaleStore(pool).insert({ definition, fingerprint: fingerprintOf(input), lanes: 1 });
  await pool.query('UPDATE sales SET epoch = 1, opened_epoch = 1 WHERE id = $1', [definition.id]);
  await pool.query('UPDATE ledger SET epoch = 1 WHERE sale_id = $1', [definition.id]);
  return definition.id;
}

/** Raises the epoch as a rebuild does, but without a snapshot. */
export async function raiseEpoch(pool: Pool, saleId: string, epoch: number): Promise<void> {
  await pool.query('UPDATE sales SET epoch = $2 WHERE id = $1', [saleId, epoch]);
  await pool.query('UPDATE ledger SET epoch = $2 WHERE sale_id = $1', [saleId, epoch]);
}

let sequence = 0;

/** A reservation that differs from every other one, unless told otherwise. */
export function makeReservation(
  saleId: string,
  changes: Partial<ReservationCreated> = {},
): ReservationCreated {
  sequence += 1;
  const { userId = `user-${sequence}`, idempotencyKey = `key-${sequence}`, lane = 0 } = changes;
  const suffix = randomBytes(12).toString('base64url') + keyHashOf(userId, idempotencyKey);
  return {
    reservationId: formatReservationId({ saleId: changes.saleId ?? saleId, lane, suffix }),
    saleId,
    lane: 0,
    epoch: 1,
    sequence,
    userId,
    idempotencyKey,
    fingerprint: 'fingerprint-fingerprint',
    lines: [{ sku: 'orange', quantity: 1, price: 100 }],
    currency: 'CNY',
    reservedAt: 1_795_000_000_000 + sequence,
    expiresAt: 1_795_000_900_000 + sequence,
    ...changes,
  };
}

export const HEADERS_V1 = {
  [HEADERS.type]: RESERVATION_CREATED.type,
  [HEADERS.version]: RESERVATION_CREATED.version,
};

export function toMessage(value: unknown, offset: number): IncomingMessage {
  return {
    key: 'key',
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    offset: BigInt(offset),
    headers: HEADERS_V1,
  };
}

/** A batch of these values in one partition, at consecutive offsets. */
export function toBatch(values: unknown[], start: { partition?: number; offset?: number } = {}): Batch {
  const { partition = 0, offset = 0 } = start;
  return {
    topic: TOPICS.reservations.name,
    partition,
    messages: values.map((value, index) => toMessage(value, offset + index)),
  };
}

/** Stores reservations of one sale as orders, by way of the real intake. */
export async function storeOrders(
  pool: Pool,
  saleId: string,
  changes: Partial<ReservationCreated>[],
): Promise<ReservationCreated[]> {
  const values = changes.map((one) => makeReservation(saleId, one));
  for (let start = 0; start < values.length; start += 1_000) {
    const chunk = values.slice(start, start + 1_000);
    await buildIntake(pool).intake.handleBatch(toBatch(chunk), makeContext().context);
  }
  return values;
}

export function makeNotice(
  orderId: string,
  changes: Partial<PaymentNotification['data']> = {},
): PaymentNotification {
  return {
    type: 'payment.succeeded',
    timestamp: '2026-11-22T12:00:00.000Z',
    data: { orderId, paymentId: `pay-${orderId}`, amount: { amount: 100, currency: 'CNY' }, ...changes },
  };
}

/** The verdicts that were written for each order, in the order of writing. */
export async function readVerdicts(pool: Pool): Promise<Map<string, Verdict[]>> {
  const { rows } = await pool.query<{ key: string; value: string }>(
    'SELECT key, value FROM outbox ORDER BY id',
  );
  const verdicts = new Map<string, Verdict[]>();
  for (const { key, value } of rows) {
    const { reservationId, verdict } = JSON.parse(value) as ReservationSettled;
    if (reservationId !== key) throw new Error(`${key} is the key of ${reservationId}`);
    verdicts.set(key, [...(verdicts.get(key) ?? []), verdict]);
  }
  return verdicts;
}

export interface StoredPayment {
  orderId: string;
  paymentId: string;
  amount: number;
  currency: string;
  result: string;
  reason: string | null;
  notices: number;
}

/** Every row of the outbox, oldest first. */
export async function readPayments(pool: Pool): Promise<StoredPayment[]> {
  const { rows } = await pool.query<StoredPayment>(
    `SELECT order_id AS "orderId", payment_id AS "paymentId", amount::int AS amount, currency, result,
       refund_reason AS reason, notices FROM payments ORDER BY received_at, payment_id, order_id, amount`,
  );
  return rows;
}

export interface StoredOrder {
  id: string;
  status: string;
  refusal: string | null;
  isEnded: boolean;
}

/** Every row of the orders, by sequence. */
export async function readOrders(pool: Pool): Promise<StoredOrder[]> {
  const { rows } = await pool.query<StoredOrder>(
    'SELECT id, status, refusal, ended_at IS NOT NULL AS "isEnded" FROM orders ORDER BY epoch, sequence, id',
  );
  return rows;
}

export async function readSold(pool: Pool, saleId: string, sku = 'orange'): Promise<number> {
  const { rows } = await pool.query<{ sold: string }>(
    'SELECT sold FROM ledger WHERE sale_id = $1 AND sku = $2',
    [saleId, sku],
  );
  return Number(rows[0]?.sold);
}

export async function readOffset(pool: Pool, partition = 0): Promise<number | undefined> {
  const { rows } = await pool.query<{ next_offset: string }>(
    'SELECT next_offset FROM intake_offsets WHERE partition = $1',
    [partition],
  );
  return rows[0] && Number(rows[0].next_offset);
}

/** Units of live orders by (sale, sku). The ledger's `sold` must be equal to them. */
export async function findLedgerMismatches(pool: Pool): Promise<unknown[]> {
  const { rows } = await pool.query<Record<string, unknown>>(`
    SELECT ledger.sale_id, ledger.sku, sold, total, COALESCE(units, 0) AS units
    FROM ledger LEFT JOIN (
      SELECT sale_id, sku, sum(units) AS units FROM (
        SELECT sale_id, line ->> 'sku' AS sku, (line ->> 'quantity')::bigint AS units
        FROM orders, jsonb_array_elements(lines) AS line WHERE status IN ('pending', 'paid')
        UNION ALL
        SELECT sale_id, line ->> 'sku', -(line ->> 'restocked')::bigint
        FROM orders, jsonb_array_elements(returned -> 'lines') AS line) AS moved
      GROUP BY 1, 2
    ) AS live ON live.sale_id = ledger.sale_id AND live.sku = ledger.sku
    WHERE sold <> COALESCE(units, 0) OR sold > total`);
  return rows;
}
