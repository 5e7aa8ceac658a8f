import type { PoolClient } from '@seckill/runtime';
import { GROUP_OF_ORDER } from '../ledger/group-of-order.ts';
import type { RetakeSale } from '../ledger/selling.ts';
import { payExpired } from '../ledger/settlement.ts';
import type { Reserved } from '../ledger/reservation-message.ts';
import { applyLateMoney } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import { writeSettlements } from '../relay/outbox.ts';

/** What messages of retakes turned out to be, under the locks of their orders. */
export interface FoundRetakes {
  /**
   * The order has expired and its money waits, so the ledger decides. There is at most one for each order.
   */
  payable: Reserved[];
  /** Nothing pays for the units, so they go back. */
  unpaid: Reserved[];
  /** Another reservation or retake has the sequence: Redis' history forked. */
  forked: Reserved[];
  /** The message was stored before. */
  known: Reserved[];
}

/**
 * Locks the orders of these retakes, in the order of their ids, and stores what is new, so that no sequence
 * is a gap.
 */
export async function storeRetakes(client: PoolClient, retakes: Reserved[]): Promise<FoundRetakes> {
  const found: FoundRetakes = { payable: [], unpaid: [], forked: [], known: [] };
  if (retakes.length === 0) return found;
  const ids = retakes.map(({ reservationId }) => reservationId);
  await client.query('SELECT FROM orders WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE', [ids]);
  const places = [
    ids,
    retakes.map(({ saleId }) => saleId),
    retakes.map(({ lane }) => lane),
    retakes.map(({ epoch }) => epoch),
    retakes.map(({ sequence }) => sequence),
  ];
  const { rows } = await client.query<{
    number: string;
    is_known: boolean;
    is_fork: boolean;
    is_due: boolean;
  }>(
    `SELECT number,
       EXISTS (SELECT FROM retakes WHERE (sale_id, lane, epoch, sequence)
         = (message.sale_id, message.lane, message.epoch, message.sequence) AND order_id = id) AS is_known,
       EXISTS (SELECT FROM retakes WHERE (sale_id, lane, epoch, sequence)
         = (message.sale_id, message.lane, message.epoch, message.sequence) AND order_id <> id)
       OR EXISTS (SELECT FROM orders WHERE (sale_id, lane, epoch, sequence)
         = (message.sale_id, message.lane, message.epoch, message.sequence) AND status <> 'refused') AS is_fork,
       EXISTS (SELECT FROM orders JOIN payments ON order_id = orders.id
         WHERE orders.id = message.id AND status = 'expired' AND result = 'retaking'
           AND ${GROUP_OF_ORDER} IS DISTINCT FROM 'failed') AS is_due
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
       AS message (id, sale_id, lane, epoch, sequence, number)
     ORDER BY number`,
    places,
  );
  const due = new Set<string>();
  for (const { number, is_known, is_fork, is_due } of rows) {
    const retake = retakes[Number(number) - 1];
    if (retake === undefined) continue;
    const { reservationId } = retake;
    if (is_known) found.known.push(retake);
    else if (is_fork) found.forked.push(retake);
    // Two of one order come together only when old messages are read again. The order is paid once.
    else if (is_due && !due.has(reservationId)) {
      due.add(reservationId);
      found.payable.push(retake);
    } else found.unpaid.push(retake);
  }
  await insertRetakes(client, [...found.payable, ...found.unpaid]);
  return found;
}

async function insertRetakes(client: PoolClient, retakes: Reserved[]): Promise<void> {
  if (retakes.length === 0) return;
  // Without an order there is no lock, and another process may store the same message now.
  await client.query(
    `INSERT INTO retakes (sale_id, lane, epoch, sequence, order_id, verdict)
     SELECT sale_id, lane, epoch, sequence, id, 'expired'
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
       AS message (id, sale_id, lane, epoch, sequence)
     ORDER BY sale_id COLLATE "C", lane, epoch, sequence
     ON CONFLICT DO NOTHING`,
    [
      retakes.map(({ reservationId }) => reservationId),
      retakes.map(({ saleId }) => saleId),
      retakes.map(({ lane }) => lane),
      retakes.map(({ epoch }) => epoch),
      retakes.map(({ sequence }) => sequence),
    ],
  );
}

/** What became of retakes. */
export interface EndedRetakes {
  applied: Applied[];
  /** Orders that late money paid. */
  paidIds: string[];
  /** Redis promised units that do not exist, or its history forked. */
  refused: Reserved[];
  /** Orders whose units go back. */
  returned: Reserved[];
}

/**
 * Ends the holds of these retakes. What was sold pays its order. The units of what was refused never
 * existed: its money is due for refund, or waits on where Redis' history forked. What is outdated or unpaid
 * gives the units back; its money waits, and may be asked for again.
 */
export async function endRetakes(
  client: PoolClient,
  found: FoundRetakes,
  sales: Map<string, RetakeSale>,
): Promise<EndedRetakes> {
  const select = (wanted: RetakeSale) =>
    found.payable.filter((one) => sales.get(one.reservationId) === wanted);
  const sold = select('sold');
  const refused = [...select('refused'), ...found.forked];
  const returned = [...select('outdated'), ...found.unpaid];
  const paidIds = sold.map(({ reservationId }) => reservationId);
  const refusedIds = select('refused').map(({ reservationId }) => reservationId);
  await payExpired(client, paidIds);
  const applied = await applyLateMoney(client, [...paidIds, ...refusedIds], new Set(paidIds));
  await writeVerdicts(client, sold, 'paid');
  await writeVerdicts(client, refused, 'refused');
  await writeVerdicts(client, returned, 'expired');
  return { applied, paidIds, refused, returned };
}

type RetakeVerdict = 'paid' | 'expired' | 'refused';

async function writeVerdicts(client: PoolClient, retakes: Reserved[], verdict: RetakeVerdict): Promise<void> {
  if (retakes.length === 0) return;
  if (verdict !== 'expired') {
    await client.query(
      `UPDATE retakes SET verdict = $1
       FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS ended (id, epoch, sequence)
       WHERE order_id = ended.id AND retakes.epoch = ended.epoch AND retakes.sequence = ended.sequence`,
      [
        verdict,
        retakes.map(({ reservationId }) => reservationId),
        retakes.map(({ epoch }) => epoch),
        retakes.map(({ sequence }) => sequence),
      ],
    );
  }
  await writeSettlements(client, retakes.map(toEnded), verdict);
}

/**
 * Tells Redis again how these holds ended, in case Redis was never told.
 * @param retakes stored before.
 */
export async function settleRetakesAgain(client: PoolClient, retakes: Reserved[]): Promise<number> {
  if (retakes.length === 0) return 0;
  const verdicts = await readRetakes(
    client,
    retakes.map((one) => ({ reservationId: one.reservationId, retake: nameOf(one) })),
  );
  for (const retake of retakes) {
    const verdict = verdicts.get(keyOf(retake.reservationId, nameOf(retake)));
    if (verdict !== undefined) await writeSettlements(client, [toEnded(retake)], verdict);
  }
  return retakes.length;
}

/** @returns how each ended, by `keyOf`; what is not stored is absent. */
export async function readRetakes(
  client: Pick<PoolClient, 'query'>,
  retakes: { reservationId: string; retake: string }[],
): Promise<Map<string, RetakeVerdict>> {
  if (retakes.length === 0) return new Map();
  const { rows } = await client.query<{ order_id: string; retake: string; verdict: RetakeVerdict }>(
    `SELECT order_id, retake, verdict FROM retakes
     JOIN unnest($1::text[], $2::text[]) AS wanted (id, retake)
       ON order_id = wanted.id AND epoch || '-' || sequence = wanted.retake`,
    [retakes.map(({ reservationId }) => reservationId), retakes.map(({ retake }) => retake)],
  );
  return new Map(rows.map(({ order_id, retake, verdict }) => [keyOf(order_id, retake), verdict]));
}

export const keyOf = (reservationId: string, retake: string) => `${reservationId} ${retake}`;

const nameOf = ({ epoch, sequence }: Reserved) => `${epoch}-${sequence}`;

function toEnded(retake: Reserved) {
  const { reservationId, saleId, lane, lines } = retake;
  return { id: reservationId, saleId, lane, lines, retake: nameOf(retake) };
}
