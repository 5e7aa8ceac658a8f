import type { Returned } from '@seckill/contracts';
import { invariant, type PoolClient } from '@seckill/runtime';
import { giveBack, sumUnits } from '../ledger/ledger.ts';
import { keepEvents } from '../ledger/order-events.ts';
import { writeSettlements, type Ended } from '../relay/outbox.ts';

/** A paid order whose row the caller holds. */
export interface PaidOrder {
  id: string;
  saleId: string;
  lane: number;
  /** The units that were taken. */
  lines: { sku: string; quantity: number; price: number }[];
  /** What was bought, where a kit is among it, and what came back of that so far. */
  bought: PaidOrder['lines'] | null;
  came_back: { sku: string; quantity: number }[] | null;
  currency: string;
  returned: Returned | null;
}

/** Keys of operators have no space in them. */
const KEY = 'group failed';

interface Rest {
  order: PaidOrder;
  lines: PaidOrder['lines'];
  /** The same as it was bought. */
  told: PaidOrder['lines'];
  /** Minor units. */
  amount: number;
  returned: Returned;
}

/**
 * Takes back what is left of paid orders whose group purchase failed. The units are for sale again, and the
 * money for them is due for refund. An order of which nothing is left stays as it is.
 * @returns how many orders had something left.
 */
export async function returnRest(client: PoolClient, orders: PaidOrder[]): Promise<number> {
  const rests = orders.map(findRest).filter(({ lines }) => lines.length > 0);
  if (rests.length === 0) return 0;
  const ids = rests.map(({ order }) => order.id);
  const { rowCount } = await client.query(
    `INSERT INTO returns
       (order_id, number, idempotency_key, lines, restocked, amount, currency, payment_id,
        is_of_failed_group)
     SELECT rest.id, number, $6, lines::jsonb, true, rest.amount, rest.currency, payment_id, true
     FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::text[])
       AS rest (id, number, lines, amount, currency)
     JOIN payments ON payments.order_id = rest.id AND payments.result = 'paid'`,
    [
      ids,
      rests.map(({ returned }) => returned.number),
      rests.map(({ told }) => JSON.stringify(told.map(({ sku, quantity }) => ({ sku, quantity })))),
      rests.map(({ amount }) => amount),
      rests.map(({ order }) => order.currency),
      KEY,
    ],
  );
  invariant(rowCount === rests.length, 'an order is paid by one payment');
  await client.query(
    `UPDATE orders SET returned = rest.returned::jsonb FROM unnest($1::text[], $2::text[]) AS rest (id, returned)
     WHERE orders.id = rest.id`,
    [ids, rests.map(({ returned }) => JSON.stringify(returned))],
  );
  await giveBack(
    client,
    rests.map(({ order: { saleId }, lines }) => ({ saleId, lines })),
  );
  const retakes = await readRetakes(client, ids);
  const settled = rests.map(({ order: { id, saleId, lane, lines }, returned }): Ended => {
    const retake = retakes.get(id);
    return { id, saleId, lane, lines, returned, ...(retake === undefined ? {} : { retake }) };
  });
  await writeSettlements(client, settled, 'paid');
  await keepEvents(client, 'order.returned', ids);
  return rests.length;
}

function findRest(order: PaidOrder): Rest {
  const back = new Map(order.returned?.lines.map((line) => [line.sku, line]));
  const lines: Rest['lines'] = [];
  for (const { sku, units } of sumUnits([order])) {
    const before = back.get(sku) ?? { sku, returned: 0, restocked: 0 };
    const left = units - before.returned;
    if (left <= 0) continue;
    // The lines of an order have one price for each SKU.
    const price = order.lines.find((line) => line.sku === sku)?.price ?? 0;
    lines.push({ sku, quantity: left, price });
    back.set(sku, { sku, returned: units, restocked: before.restocked + left });
  }
  const returned = { number: (order.returned?.number ?? 0) + 1, lines: [...back.values()] };
  const told = order.bought === null ? lines : restOf(order.bought, order.came_back ?? []);
  const amount = told.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
  return { order, lines, told, amount, returned };
}

/** What of these lines did not come back. */
function restOf(bought: PaidOrder['lines'], back: { sku: string; quantity: number }[]): PaidOrder['lines'] {
  return bought
    .map((line) => {
      const came = back
        .filter(({ sku }) => sku === line.sku)
        .reduce((sum, { quantity }) => sum + quantity, 0);
      return { ...line, quantity: line.quantity - came };
    })
    .filter(({ quantity }) => quantity > 0);
}

/** The name of the hold that was paid, by order, where late money took the units again. */
async function readRetakes(client: PoolClient, ids: string[]): Promise<Map<string, string>> {
  const { rows } = await client.query<{ order_id: string; retake: string }>(
    `SELECT order_id, epoch || '-' || sequence AS retake FROM retakes
     WHERE order_id = ANY ($1::text[]) AND verdict = 'paid'`,
    [ids],
  );
  return new Map(rows.map(({ order_id, retake }) => [order_id, retake]));
}
