// Goal: INV-1 in Postgres: who is admitted when units run out, and that no code path can sell past the total.
// Method: the pure rule with small cases; the constraint by attacking it directly.
import { test } from 'tap';
import { admit, DataError } from '../../src/ledger/ledger.ts';
import type { Reserved } from '../../src/ledger/reservation-message.ts';
import { createDatabase } from '../support/database.ts';
import { makeReservation, readSold, storeSale } from '../support/reservations.ts';

const makeOrder = (name: string, sequence: number, units: Record<string, number>, epoch = 1): Reserved => ({
  ...makeReservation('s', {
    reservationId: name,
    epoch,
    sequence,
    lines: Object.entries(units).map(([sku, quantity]) => ({ sku, quantity, price: 1 })),
  }),
  amount: 0,
  isRepublished: false,
});
const row = (sku: string, total: number, sold = 0) => ({
  saleId: 's',
  sku,
  total,
  sold,
  epoch: 1,
  isEpochIncomplete: false,
});

await test('orders are admitted by epoch and sequence, whatever order they came in', async (t) => {
  const orders = [
    makeOrder('c', 3, { a: 1 }),
    makeOrder('d', 1, { a: 1 }, 2),
    makeOrder('a', 1, { a: 1 }),
    makeOrder('b', 2, { a: 1 }),
  ];
  t.same(admit(orders, [row('a', 10, 7)]), {
    moves: [{ saleId: 's', sku: 'a', units: 3 }],
    refused: [{ id: 'd', refusal: 'ledger' }],
  });
});

await test('an order is admitted as a whole or refused, and a smaller one behind it may still fit', async (t) => {
  const orders = [
    makeOrder('first', 1, { a: 1, b: 1 }),
    makeOrder('too-big', 2, { a: 1, b: 2 }),
    makeOrder('fits', 3, { a: 1, b: 1 }),
  ];
  const { moves, refused } = admit(orders, [row('a', 5), row('b', 2)]);
  t.same(refused, [{ id: 'too-big', refusal: 'ledger' }]);
  t.same(moves, [
    { saleId: 's', sku: 'a', units: 2 },
    { saleId: 's', sku: 'b', units: 2 },
  ]);
});

await test('a SKU in two lines counts both', async (t) => {
  const order = makeOrder('twice', 1, {});
  order.lines = [
    { sku: 'a', quantity: 2, price: 1 },
    { sku: 'a', quantity: 2, price: 1 },
  ];
  t.same(admit([order], [row('a', 3)]).refused, [{ id: 'twice', refusal: 'ledger' }]);
  t.same(admit([order], [row('a', 4)]).moves, [{ saleId: 's', sku: 'a', units: 4 }]);
});

await test('a SKU that the sale does not have is an error of the data', async (t) => {
  t.throws(() => admit([makeOrder('a', 1, { b: 1 })], [row('a', 1)]), DataError);
});

await test('a direct update of the ledger past its total is refused by ledger_sold_within_total', async (t) => {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 10 });
  await pool.query('UPDATE ledger SET sold = 10 WHERE sale_id = $1', [saleId]);
  for (const sold of [11, -1]) {
    await t.rejects(pool.query('UPDATE ledger SET sold = $2 WHERE sale_id = $1', [saleId, sold]), {
      code: '23514',
      constraint: 'ledger_sold_within_total',
    });
  }
  t.equal(await readSold(pool, saleId), 10);
});
