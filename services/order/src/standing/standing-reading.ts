import type { Decided, OrderStanding, SaleRecord } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';

/** What of a sale's standing is read from the tables beside its record. */
export type StandingReading = Omit<OrderStanding, 'record'>;

/**
 * So many of the newest pending orders, and as many of the newest paid ones, are looked at for who and what
 * was reserved last. An operator asks while a sale of a million orders is selling: 5,000 take 30 ms.
 */
const NEWEST_ORDERS = 5_000;

/**
 * One snapshot of the database. What costs by the size of the sale is the sum of its pending orders and of
 * the orders of which something came back; the pool bounds each statement.
 */
export async function readStanding(pool: Pool, record: SaleRecord): Promise<StandingReading> {
  const saleId = record.definition.id;
  return transaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { now, ...units } = await readUnits(client, saleId);
    return {
      now,
      ...units,
      ...(await readStored(client, saleId)),
      ...(await readDecisions(client, record)),
      ...(await readNewest(client, record)),
      outbox: await readOutbox(client),
    };
  });
}

/**
 * `sold` of the ledger is what is pending, paid or written off (D67), so what is paid need not be added up.
 */
async function readUnits(client: PoolClient, saleId: string): Promise<Pick<OrderStanding, 'items' | 'now'>> {
  const { rows } = await client.query<{ now: Date; items: OrderStanding['items'] | null }>(
    `WITH pending AS (
       SELECT sku, sum(quantity) AS units
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity integer)
       WHERE sale_id = $1 AND status = 'pending' GROUP BY sku),
     back AS (
       SELECT sku, sum(restocked) AS restocked, sum(line.returned - restocked) AS written_off
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(orders.returned -> 'lines')
         AS line (sku text, returned integer, restocked integer)
       WHERE orders.returned IS NOT NULL AND id > $1 || '.' AND id < $1 || '/' GROUP BY sku)
     SELECT clock_timestamp() AS now, (
       SELECT jsonb_agg(jsonb_build_object('sku', ledger.sku, 'total', total,
         'pending', COALESCE(pending.units, 0),
         'paid', sold - COALESCE(pending.units, 0) - COALESCE(written_off, 0),
         'returned', COALESCE(restocked, 0), 'writtenOff', COALESCE(written_off, 0)) ORDER BY ledger.sku)
       FROM ledger LEFT JOIN pending USING (sku) LEFT JOIN back USING (sku)
       WHERE sale_id = $1) AS items`,
    [saleId],
  );
  return { now: rows[0]?.now.getTime() ?? NaN, items: rows[0]?.items ?? [] };
}

/** Two indexes end at the highest sequence of the newest epoch, one of them for refused orders. */
async function readStored(client: PoolClient, saleId: string): Promise<Pick<OrderStanding, 'stored'>> {
  const { rows } = await client.query<{ epoch: string; sequence: string | null }>(
    `SELECT epoch, (SELECT max(sequence) FROM (
         (SELECT sequence FROM orders WHERE sale_id = $1 AND lane = 0 AND epoch = sales.epoch
            AND status <> 'refused' ORDER BY sequence DESC LIMIT 1)
         UNION ALL (SELECT sequence FROM orders WHERE sale_id = $1 AND lane = 0 AND epoch = sales.epoch
            AND status = 'refused' ORDER BY sequence DESC LIMIT 1)
         UNION ALL (SELECT sequence FROM retakes WHERE sale_id = $1 AND lane = 0 AND epoch = sales.epoch
            ORDER BY sequence DESC LIMIT 1)) AS stored) AS sequence
     FROM sales WHERE id = $1`,
    [saleId],
  );
  const [row] = rows;
  if (row === undefined) return {};
  return { stored: { epoch: Number(row.epoch), sequence: Number(row.sequence ?? 0) } };
}

interface DecisionRow {
  at: Date;
  by: string | null;
  reason: string | null;
}

const toDecided = ({ at, by, reason }: DecisionRow): Decided => ({
  at: at.getTime(),
  ...(by === null ? {} : { by }),
  ...(reason === null ? {} : { reason }),
});

/** The audit trail has when and by whom; a sale that is older than it has no row. */
async function readDecisions(
  client: PoolClient,
  { definition, version, state }: SaleRecord,
): Promise<Pick<OrderStanding, 'changedAt' | 'paused' | 'closed' | 'pausedItems'>> {
  const last = async (where: string, value: unknown): Promise<DecisionRow | undefined> => {
    const { rows } = await client.query<DecisionRow>(
      `SELECT at, by, reason FROM sale_changes WHERE sale_id = $1 AND ${where} ORDER BY id DESC LIMIT 1`,
      [definition.id, value],
    );
    return rows[0];
  };
  const changed = await last('version = $2', version);
  const decided =
    state === 'open' ? undefined : await last('action = $2', state === 'paused' ? 'pause' : 'close');
  const pausedItems: OrderStanding['pausedItems'] = [];
  for (const { sku, paused } of [...definition.items, ...(definition.kits ?? [])]) {
    const row =
      paused === true ? await last(`action = 'pause_item' AND after ->> 'sku' = $2`, sku) : undefined;
    if (row !== undefined) pausedItems.push({ sku, ...toDecided(row) });
  }
  return {
    ...(changed === undefined ? {} : { changedAt: changed.at.getTime() }),
    ...(decided === undefined ? {} : { [state === 'paused' ? 'paused' : 'closed']: toDecided(decided) }),
    pausedItems,
  };
}

type Newest = Pick<OrderStanding, 'lastOfItems' | 'lastOfChannels' | 'buyersAtLimit' | 'limitsReached'>;

async function readNewest(client: PoolClient, { definition }: SaleRecord): Promise<Newest> {
  const limited = definition.items.filter(({ limitPerBuyer }) => limitPerBuyer !== undefined);
  const { limitPerBuyer } = definition;
  const newest = (status: string) =>
    `(SELECT user_id, channel_id, lines, returned, reserved_at FROM orders
      WHERE sale_id = $1 AND status = '${status}' ORDER BY reserved_at DESC, id DESC LIMIT $2)`;
  const { rows } = await client.query<{
    items: Newest['lastOfItems'] | null;
    channels: Newest['lastOfChannels'] | null;
    buyers: string;
    limits: { sku: string | null; buyers: number; since: number }[] | null;
  }>(
    `WITH newest AS MATERIALIZED (${newest('pending')} UNION ALL ${newest('paid')}),
     taken AS MATERIALIZED (
       SELECT user_id, line.sku, quantity AS units, reserved_at
       FROM newest CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity integer)
       UNION ALL
       SELECT user_id, line.sku, -line.returned, NULL FROM newest CROSS JOIN LATERAL
         jsonb_to_recordset(newest.returned -> 'lines') AS line (sku text, returned integer)
       WHERE newest.returned IS NOT NULL),
     at_limit AS MATERIALIZED (
       SELECT NULL AS sku, user_id, max(reserved_at) AS at FROM taken
       GROUP BY user_id HAVING sum(units) >= $3::bigint
       UNION ALL
       SELECT sku, user_id, max(reserved_at) FROM unnest($4::text[], $5::bigint[]) AS item (sku, most)
       JOIN taken USING (sku) GROUP BY user_id, sku, most HAVING sum(units) >= most)
     SELECT
       (SELECT jsonb_agg(jsonb_build_object('sku', sku, 'at', floor(extract(epoch FROM at) * 1000)))
        FROM (SELECT sku, max(reserved_at) AS at FROM taken GROUP BY sku) AS last) AS items,
       (SELECT jsonb_agg(jsonb_build_object('channelId', channel_id, 'at', floor(extract(epoch FROM at) * 1000)))
        FROM (SELECT channel_id, max(reserved_at) AS at FROM newest WHERE channel_id IS NOT NULL
          GROUP BY channel_id) AS last) AS channels,
       (SELECT count(DISTINCT user_id) FROM at_limit) AS buyers,
       (SELECT jsonb_agg(jsonb_build_object('sku', sku, 'buyers', buyers,
          'since', floor(extract(epoch FROM since) * 1000)) ORDER BY sku NULLS FIRST)
        FROM (SELECT sku, count(*) AS buyers, min(at) AS since FROM at_limit GROUP BY sku) AS one) AS limits`,
    [
      definition.id,
      NEWEST_ORDERS,
      limitPerBuyer ?? null,
      limited.map(({ sku }) => sku),
      limited.map(({ limitPerBuyer: most }) => most),
    ],
  );
  const limitOf = (sku: string | null) =>
    sku === null ? limitPerBuyer : limited.find((item) => item.sku === sku)?.limitPerBuyer;
  const limitsReached = (rows[0]?.limits ?? []).map(({ sku, buyers, since }) => ({
    ...(sku === null ? {} : { sku }),
    limit: limitOf(sku) ?? NaN,
    buyers,
    since,
  }));
  const isLimited = limitPerBuyer !== undefined || limited.length > 0;
  return {
    lastOfItems: rows[0]?.items ?? [],
    lastOfChannels: rows[0]?.channels ?? [],
    ...(isLimited ? { buyersAtLimit: Number(rows[0]?.buyers ?? 0), limitsReached } : {}),
  };
}

/** The messages that wait in the outbox. All sales share it. */
async function readOutbox(client: PoolClient): Promise<OrderStanding['outbox']> {
  const { rows } = await client.query<{ count: string; oldest: Date | null }>(
    'SELECT count(*) AS count, min(created_at) AS oldest FROM outbox WHERE published_at IS NULL',
  );
  const oldest = rows[0]?.oldest ?? null;
  return {
    count: Number(rows[0]?.count ?? 0),
    ...(oldest === null ? {} : { oldestAt: oldest.getTime() }),
  };
}
