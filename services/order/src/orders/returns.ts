import type { OrderStatus, Returned, ReturnRequest, StoredKit } from '@seckill/contracts';
import { Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { lockLedger, moveLedger } from '../ledger/ledger.ts';
import { keepEvents } from '../ledger/order-events.ts';
import { writeSettlements } from '../relay/outbox.ts';
import { writeChange } from '../sales/sale-changes.ts';
import { refuse } from '../invalid-request.ts';
import { assertInTime } from '../deadline.ts';
import type { Steering } from '../sales/steering.ts';

export interface Return extends Omit<Steering, 'version'> {
  saleId: string;
  orderId: string;
  lines: ReturnRequest['lines'];
  /** True: the units are for sale again. False: they are written off. */
  restock: boolean;
  idempotencyKey: string;
}

interface PaidRow {
  status: OrderStatus;
  lane: number;
  /** The units that were taken. */
  lines: Bought[];
  /** What was bought, where a kit is among it. */
  bought: Bought[] | null;
  /** The kits of the sale, which never change. */
  kits: StoredKit[] | null;
  currency: string;
  returned: Returned | null;
}

type Bought = { sku: string; quantity: number; price: number };

/**
 * Takes units of a paid order back, in one transaction of order, ledger, money, settlement and audit trail
 * (D67). The locks are taken in the order of everybody: sale, order, ledger. Repeats of a key find its
 * return.
 * @returns the money that is due for them, in minor units; undefined of a repeat.
 * @throws Problem `order_not_found`, `key_reused`; `nothing_to_return` with the first line of which less is
 * left; `overloaded` when the deadline has passed; `internal` when what is stored contradicts itself: this
 * order is refused, and nothing else stops.
 */
export async function storeReturn(pool: Pool, wanted: Return): Promise<number | undefined> {
  const { saleId, orderId, lines, restock, idempotencyKey } = wanted;
  refuseTwins(lines);
  return transaction(pool, async (client) => {
    const version = await readVersion(client, saleId);
    const row = await lockOrder(client, wanted);
    if (version === undefined || row === undefined) throw new Problem('order_not_found');
    if (await isRepeat(client, wanted)) return undefined;
    await assertInTime(client, wanted);
    if (row.status !== 'paid') {
      throw new Problem('nothing_to_return', { extra: { orderStatus: row.status } });
    }
    if (row.bought !== null) await assertLeft(client, orderId, row.bought, lines);
    const units = toUnits(row, lines);
    const returned = addReturn(row, units, restock);
    const due = amountOf(row, lines);
    const { rowCount } = await client.query(
      `INSERT INTO returns (order_id, number, idempotency_key, lines, restocked, amount, currency, payment_id)
       SELECT $1, $2, $3, $4, $5, $6, $7, payment_id FROM payments WHERE order_id = $1 AND result = 'paid'`,
      [orderId, returned.number, idempotencyKey, JSON.stringify(lines), restock, due, row.currency],
    );
    assertStored(rowCount === 1, `order ${orderId} is paid, and by no payment`);
    await client.query('UPDATE orders SET returned = $2 WHERE id = $1', [orderId, JSON.stringify(returned)]);
    if (restock) await restockUnits(client, saleId, units);
    const retake = await readRetake(client, orderId);
    const settled = { id: orderId, saleId, lane: row.lane, lines: row.lines, returned };
    await writeSettlements(client, [{ ...settled, ...(retake && { retake }) }], 'paid');
    await keepEvents(client, 'order.returned', [orderId]);
    await writeChange(
      client,
      {
        saleId,
        version,
        action: 'return_order',
        before: { orderId, returned: row.returned?.lines ?? [] },
        after: { orderId, returned: returned.lines },
      },
      wanted,
    );
    return due;
  });
}

/** A person's call must not end the process that serves all sales, and not again with each repeat. */
function assertStored(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Problem('internal', { cause: new Error(message) });
}

function refuseTwins(lines: Return['lines']): void {
  const skus = lines.map(({ sku }) => sku);
  const twin = skus.findIndex((sku, index) => skus.indexOf(sku) !== index);
  if (twin !== -1) refuse('repeated', `lines.${twin}.sku`);
}

async function readVersion(client: PoolClient, saleId: string): Promise<number | undefined> {
  const { rows } = await client.query<{ version: string }>(
    'SELECT version FROM sales WHERE id = $1 FOR KEY SHARE',
    [saleId],
  );
  return rows[0] && Number(rows[0].version);
}

async function lockOrder(client: PoolClient, { saleId, orderId }: Return): Promise<PaidRow | undefined> {
  const { rows } = await client.query<PaidRow>(
    `SELECT status, lane, lines, bought, currency, returned,
       (SELECT definition -> 'kits' FROM sales WHERE sales.id = sale_id) AS kits
     FROM orders WHERE id = $1 AND sale_id = $2 FOR UPDATE`,
    [orderId, saleId],
  );
  return rows[0];
}

/** @throws Problem `key_reused` */
async function isRepeat(
  client: PoolClient,
  { orderId, lines, restock, idempotencyKey }: Return,
): Promise<boolean> {
  const { rows } = await client.query<{ lines: Return['lines']; restocked: boolean }>(
    'SELECT lines, restocked FROM returns WHERE order_id = $1 AND idempotency_key = $2',
    [orderId, idempotencyKey],
  );
  const [known] = rows;
  if (known === undefined) return false;
  const print = (some: Return['lines']) =>
    some
      .map(({ sku, quantity }) => `${sku} ${quantity}`)
      .sort()
      .join();
  if (known.restocked !== restock || print(known.lines) !== print(lines)) throw new Problem('key_reused');
  return true;
}

/**
 * Kits come back as a whole. What is left of a line is told by the returns of before, because the units do
 * not tell whether an item came back by itself or with a kit. @throws Problem `nothing_to_return`
 */
async function assertLeft(
  client: PoolClient,
  orderId: string,
  bought: Bought[],
  lines: Return['lines'],
): Promise<void> {
  const { rows } = await client.query<{ sku: string; units: string }>(
    `SELECT line ->> 'sku' AS sku, sum((line ->> 'quantity')::bigint) AS units
     FROM returns, jsonb_array_elements(returns.lines) AS line WHERE order_id = $1 GROUP BY line ->> 'sku'`,
    [orderId],
  );
  const back = new Map(rows.map(({ sku, units }) => [sku, Number(units)]));
  for (const { sku, quantity } of lines) {
    const left = (bought.find((line) => line.sku === sku)?.quantity ?? 0) - (back.get(sku) ?? 0);
    if (quantity > left) throw new Problem('nothing_to_return', { extra: { sku, left } });
  }
}

/** The units of these lines: those of a kit are its parts'. */
function toUnits({ bought, kits }: PaidRow, lines: Return['lines']): Return['lines'] {
  if (bought === null) return lines;
  const units = new Map<string, number>();
  for (const { sku, quantity } of lines) {
    const parts = kits?.find((kit) => kit.sku === sku)?.components ?? [{ sku, quantity: 1 }];
    for (const part of parts) units.set(part.sku, (units.get(part.sku) ?? 0) + quantity * part.quantity);
  }
  return [...units].map(([sku, quantity]) => ({ sku, quantity }));
}

/** All that came back with this return. @throws Problem `nothing_to_return` */
function addReturn({ lines: taken, returned }: PaidRow, lines: Return['lines'], restock: boolean): Returned {
  const back = new Map(returned?.lines.map((line) => [line.sku, line]));
  for (const { sku, quantity } of lines) {
    const units = taken.filter((line) => line.sku === sku).reduce((sum, line) => sum + line.quantity, 0);
    const before = back.get(sku) ?? { sku, returned: 0, restocked: 0 };
    const left = units - before.returned;
    if (quantity > left) throw new Problem('nothing_to_return', { extra: { sku, left } });
    const restocked = before.restocked + (restock ? quantity : 0);
    back.set(sku, { sku, returned: before.returned + quantity, restocked });
  }
  return { number: (returned?.number ?? 0) + 1, lines: [...back.values()] };
}

/** Minor units. The lines of an order have one price for each SKU. */
function amountOf(row: PaidRow, lines: Return['lines']): number {
  const bought = row.bought ?? row.lines;
  return lines.reduce((sum, { sku, quantity }) => {
    const price = bought.find((line) => line.sku === sku)?.price ?? 0;
    return sum + quantity * price;
  }, 0);
}

async function restockUnits(client: PoolClient, saleId: string, lines: Return['lines']): Promise<void> {
  const rows = await lockLedger(
    client,
    lines.map(({ sku }) => ({ saleId, sku })),
  );
  for (const { sku, quantity } of lines) {
    const row = rows.find((one) => one.sku === sku);
    assertStored(
      row !== undefined && row.sold >= quantity,
      `the ledger has sold fewer ${sku} than come back`,
    );
  }
  await moveLedger(
    client,
    lines.map(({ sku, quantity }) => ({ saleId, sku, units: -quantity })),
  );
}

/** The name of the hold that was paid, if late money took the units again. */
async function readRetake(client: PoolClient, orderId: string): Promise<string | undefined> {
  const { rows } = await client.query<{ retake: string }>(
    `SELECT epoch || '-' || sequence AS retake FROM retakes WHERE order_id = $1 AND verdict = 'paid'`,
    [orderId],
  );
  return rows[0]?.retake;
}
