import type { Reservation } from '@seckill/contracts';
import type { Reading, SaleReading } from '../../src/audit/reading.ts';
import type { OrderRow } from '../../src/engines/rows.ts';
import { History } from '../../src/audit/history.ts';

const price = { amount: 100, currency: 'CNY' };
const at = new Date('2026-11-22T12:00:00.000Z');

export function row(sequence: number, changes: Partial<OrderRow> = {}): OrderRow {
  return {
    id: `s.0.random-of-order-${sequence}`,
    sale_id: 's',
    epoch: 1,
    sequence,
    user_id: `u${sequence}`,
    idempotency_key: `k${sequence}`,
    lines: [{ sku: 'a', quantity: 1 }],
    channel_id: 'c',
    status: 'paid',
    expires_at: at,
    ended_at: null,
    ...changes,
  };
}

export interface Facts {
  reading: Reading;
  sale: SaleReading;
  history: History;
}

/** A reading of a sale of three units. Two are paid, one is pending, and a fourth order was cancelled. */
export function consistentReading(): Facts {
  const orders = [
    row(1),
    row(2),
    row(3, { status: 'pending' }),
    row(4, { status: 'cancelled', ended_at: at }),
  ];
  const sale: SaleReading = {
    definition: {
      id: 's',
      title: 'S',
      opensAt: at.toISOString(),
      closesAt: at.toISOString(),
      holdSeconds: 5,
      limitPerBuyer: 1,
      items: [{ sku: 'a', title: 'A', price, total: 3, limitPerBuyer: 1 }],
      channels: [{ id: 'c', kind: 'store', title: 'C', cap: 3 }],
    },
    lane: {
      epoch: 1,
      sequence: 4,
      outbox: 0,
      items: [{ sku: 'a', total: 3, available: 0, held: 1, paid: 2 }],
      buyers: new Map([
        ['u1', 1],
        ['u2', 1],
        ['u3', 1],
      ]),
      itemsOfBuyers: new Map([
        ['u1', new Map([['a', 1]])],
        ['u2', new Map([['a', 1]])],
        ['u3', new Map([['a', 1]])],
      ]),
      channels: new Map([['c', { cap: 3, units: 3 }]]),
      holds: new Set(['random-of-order-3']),
      keys: 4,
    },
    ledger: [{ sku: 'a', total: 3, sold: 3 }],
    retakes: [],
    payments: [
      { order_id: 's.0.random-of-order-1', result: 'paid' },
      { order_id: 's.0.random-of-order-4', result: 'refund_due' },
    ],
    orders,
  };
  const history = new History();
  for (const { id, user_id: userId, idempotency_key: key, lines } of orders) {
    const reservation: Reservation = {
      id,
      saleId: 's',
      userId,
      lines: lines.map((line) => ({ ...line, price })),
      status: 'pending',
      amount: price,
      reservedAt: at.toISOString(),
      expiresAt: at.toISOString(),
    };
    history.accept('s', userId, key, JSON.stringify(reservation));
  }
  const reading = {
    sales: [sale],
    kafkaBacklog: 0,
    settlements: { orderOutbox: 0, messages: 0 },
    deadLetters: 0,
  };
  return { reading, sale, history };
}
