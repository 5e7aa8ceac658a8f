import {
  LIMITS,
  type EndedPage,
  type OrderCursor,
  type Returned,
  type SnapshotHorizon,
} from '@seckill/contracts';
import { invariant, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { setEpoch } from './epochs.ts';
import { controlStateOf } from '../sales/sale-definition.ts';
import { lockSale } from '../sales/sale-store.ts';

export type SnapshotRefusal = 'sale_not_found' | 'sale_closed' | 'ends_missing';

/** JSON of a Snapshot or a SnapshotPage. */
export interface SnapshotText {
  json: string;
}

/**
 * Raises the epoch and reads the first page, in one transaction (docs/recovery.md, "Rebuild"). The raise
 * waits for the intake's transactions that hold the ledger: an order is either read here, or finds the new
 * epoch and makes it distrusted.
 * @param options.isDrained the intake has stored what Kafka had; if not, only a sale that never opened is
 * given.
 */
export async function takeSnapshot(
  pool: Pool,
  saleId: string,
  options: { above: number; isDrained: boolean },
): Promise<SnapshotText | SnapshotRefusal> {
  return transaction(pool, async (client) => {
    const sale = await lockSale(client, saleId);
    if (sale === undefined) return 'sale_not_found';
    if (sale.isRetired) return 'sale_closed';
    // A sale that never opened has no reservation, in Kafka or anywhere, so its snapshot is rightly empty.
    if (!options.isDrained && sale.openedEpoch !== undefined) return 'ends_missing';
    const epoch = Math.max(sale.epoch, options.above) + 1;
    await setEpoch(client, saleId, epoch);
    const since = await readHorizon(client);
    const facts = JSON.stringify({ epoch, control: controlStateOf(sale), since }).slice(1, -1);
    return { json: `{${facts},${await readMembers(client, saleId)}}` };
  });
}

/** Gives a number. Every transaction with a lower number has ended, so later reads see what it wrote. */
async function readHorizon(client: PoolClient): Promise<SnapshotHorizon> {
  const { rows } = await client.query<{ since: string }>(
    'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS since',
  );
  const [row] = rows;
  invariant(row !== undefined, 'a SELECT without FROM gives a row');
  return row.since;
}

/**
 * Reads every order that was not refused. Ended orders are among them, because their keys must keep their
 * answers (INV-4). The order is that of the reservations. The index of the sequences serves it, and rows that
 * were made one after the other stand side by side: 0.3 µs a row, where the order by id, which is random,
 * takes 2. Pages are read one by one, and torn reads between them do no harm. The gate is closed, so nothing
 * is reserved under this epoch. An order that comes later from an older epoch makes this one distrusted
 * (ledger/selling.ts), and a distrusted epoch is not opened. An order that ends behind our back is found
 * before the opening (`readEnded`).
 */
export async function readPage(
  client: Pool | PoolClient,
  saleId: string,
  after: OrderCursor,
): Promise<SnapshotText> {
  return { json: `{${await readMembers(client, saleId, after)}}` };
}

/**
 * The members of a SnapshotPage. Postgres makes one text of all orders, as SNAPSHOT_FACTS says, so that this
 * process only moves bytes: 100,000 rows that it took apart and joined again cost 3 µs of CPU each.
 */
async function readMembers(
  client: Pool | PoolClient,
  saleId: string,
  after: OrderCursor = BEFORE_ALL,
): Promise<string> {
  const { rows } = await client.query<{ orders: string | null; after: OrderCursor | null }>({
    name: 'snapshot-page',
    text: `WITH page AS MATERIALIZED (
        SELECT lane, epoch, sequence, concat_ws(E'\\n', id, epoch, sequence, user_id, idempotency_key, lines,
          coalesce(channel_id, ''), coalesce(ref, ''), coalesce(metadata::text, ''),
          coalesce(contact, ''),
          (date_part('epoch', reserved_at) * 1000)::bigint, (date_part('epoch', expires_at) * 1000)::bigint,
          status, coalesce((date_part('epoch', ended_at) * 1000)::bigint::text, ''),
          coalesce(returned::text, ''), coalesce(bought::text, '')) AS facts
        FROM orders
        WHERE sale_id = $1 AND status <> 'refused' AND (lane, epoch, sequence) > ($2, $3, $4)
        ORDER BY lane, epoch, sequence LIMIT $5::bigint)
      SELECT (SELECT string_agg(facts, E'\\n' ORDER BY lane, epoch, sequence) FROM page) AS orders,
        (SELECT lane || '.' || epoch || '.' || sequence FROM page
          ORDER BY lane, epoch, sequence OFFSET $5::bigint - 1) AS after`,
    values: [saleId, ...after.split('.'), LIMITS.rebuildPageMax],
  });
  const [row] = rows;
  invariant(row !== undefined, 'a SELECT without FROM gives a row');
  // A full page may be the last one. Then the next page is empty.
  const members = `"orders":${JSON.stringify(row.orders ?? '')}`;
  return row.after === null ? members : `${members},"after":"${row.after}"`;
}

const BEFORE_ALL = '-1.0.0';

/**
 * Reads the orders that ended since a snapshot, at most 20,000 of them. A row has in `xmin` the number of the
 * transaction that wrote it. The snapshot may have missed the row when that number is its own or a later one.
 * `age` compares such numbers, because they begin anew after 2^31. An order that had ended before its page
 * was read may be among the result. That does no harm, because its settlement finds no hold.
 */
export async function readEnded(
  pool: Pool,
  saleId: string,
  since: SnapshotHorizon,
  after: OrderCursor = BEFORE_ALL,
): Promise<EndedPage> {
  const { rows } = await pool.query<EndedRow>({
    name: 'ended-since',
    text: `WITH looked_at AS MATERIALIZED (
        SELECT id, status, lane, epoch, sequence, age(xmin) <= age($5::xid8::xid) AS is_new FROM orders
        WHERE sale_id = $1 AND status <> 'refused' AND (lane, epoch, sequence) > ($2, $3, $4)
        ORDER BY lane, epoch, sequence LIMIT $6::bigint)
      SELECT id, status, NULL AS cursor FROM looked_at WHERE is_new AND status <> 'pending'
      UNION ALL
      (SELECT NULL, NULL, lane || '.' || epoch || '.' || sequence FROM looked_at
        ORDER BY lane, epoch, sequence OFFSET $6::bigint - 1 LIMIT 1)`,
    values: [saleId, ...after.split('.'), since, LIMITS.endedScanMax],
  });
  const last = rows.find(({ cursor }) => cursor !== null)?.cursor;
  return {
    ended: rows.flatMap(({ id, status }) =>
      id === null || status === null ? [] : [{ reservationId: id, verdict: status }],
    ),
    ...(typeof last === 'string' ? { after: last } : {}),
  };
}

/** The paid orders of which something came back, 500 at a time, by id. */
export async function readReturned(pool: Pool, saleId: string, after = ''): Promise<EndedPage> {
  const { rows } = await pool.query<{ id: string; returned: Returned }>({
    name: 'returned',
    text: `SELECT id, returned FROM orders
      WHERE returned IS NOT NULL AND id > $1 || '.' AND id < $1 || '/' AND id > $2 ORDER BY id LIMIT $3`,
    values: [saleId, after, LIMITS.rebuildPageMax],
  });
  const last = rows.length === LIMITS.rebuildPageMax ? rows.at(-1) : undefined;
  return {
    ended: rows.map(({ id, returned }) => ({ reservationId: id, verdict: 'paid', returned })),
    ...(last === undefined ? {} : { after: last.id }),
  };
}

interface EndedRow {
  id: string | null;
  status: EndedPage['ended'][number]['verdict'] | null;
  cursor: OrderCursor | null;
}
