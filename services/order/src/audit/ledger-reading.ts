import { TOPICS, type LedgerReading, type SaleDefinition } from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import type { SaleLimits } from '../sales/sale-store.ts';

/** INV-5: units are for sale again within 2 s of the end of their hold. */
const OVERDUE_MS = 2_000;

/** Postgres' side of the audit. */
export class LedgerReader {
  readonly #pool: Pool;
  readonly #overdueMs: number;

  /** @param options.graceMs that of expiry. */
  constructor(pool: Pool, options: { graceMs: number }) {
    this.#pool = pool;
    this.#overdueMs = options.graceMs + OVERDUE_MS;
  }

  /**
   * Reads everything from one snapshot of the database, so that the numbers belong together. The pool bounds
   * each statement (5 s); 100,000 orders took 0.3 s in all on two busy cores.
   * @throws Problem `sale_not_found`
   */
  async read(saleId: string): Promise<LedgerReading> {
    return transaction(this.#pool, async (client) => {
      await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const sale = await readSale(client, saleId);
      if (sale === undefined) throw new Problem('sale_not_found');
      return {
        saleId,
        now: sale.now,
        epoch: sale.epoch,
        ...(await readUnits(client, saleId, sale)),
        lanes: await readLanes(client, saleId, sale),
        ...(await readRest(client, saleId, this.#overdueMs)),
        stored: await readStored(client),
      };
    });
  }
}

interface Sale {
  /** The loosest that the sale ever had: a buyer may have more than a limit of now (INV-6). */
  limits: SaleLimits;
  /** Limits per buyer of the items that have one of their own. Such a limit never changes. */
  itemLimits: { sku: string; units: number }[];
  lanes: number;
  epoch: number;
  now: number;
}

async function readSale(client: PoolClient, saleId: string): Promise<Sale | undefined> {
  const { rows } = await client.query<{
    limits: SaleLimits;
    items: SaleDefinition['items'];
    lanes: number;
    epoch: string;
    now: Date;
  }>(
    `SELECT COALESCE(loosest_limits, definition) AS limits, definition -> 'items' AS items, lanes, epoch, clock_timestamp() AS now
     FROM sales WHERE id = $1`,
    [saleId],
  );
  if (rows[0] === undefined) return undefined;
  const { items, epoch, now, ...sale } = rows[0];
  const itemLimits = items.flatMap(({ sku, limitPerBuyer: units }) =>
    units === undefined ? [] : [{ sku, units }],
  );
  return { ...sale, itemLimits, epoch: Number(epoch), now: now.getTime() };
}

type Units = Pick<LedgerReading, 'items' | 'overLimit' | 'overCap'>;

/**
 * The lines of 100,000 orders are unfolded once: it is most of what a reading costs. What came back and is
 * for sale again is not among the units of an item, and what was written off is, because it is gone for good
 * (D67). Neither counts against a limit.
 */
async function readUnits(
  client: PoolClient,
  saleId: string,
  { limits, itemLimits }: Pick<Sale, 'limits' | 'itemLimits'>,
): Promise<Units> {
  const capped = limits.channels.filter(({ cap }) => cap !== undefined);
  const { rows } = await client.query<{
    items: LedgerReading['items'];
    over_limit: string;
    over_cap: string;
  }>(
    `WITH live AS MATERIALIZED (
       SELECT line.sku, quantity AS units, quantity AS taken, user_id, channel_id, status
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity integer)
       WHERE id > $1 || '.' AND id < $1 || '/' AND status IN ('pending', 'paid')
       UNION ALL
       SELECT line.sku, -restocked, -line.returned, user_id, channel_id, status
       FROM orders CROSS JOIN LATERAL jsonb_to_recordset(orders.returned -> 'lines')
         AS line (sku text, returned integer, restocked integer)
       WHERE orders.returned IS NOT NULL AND id > $1 || '.' AND id < $1 || '/'),
     units AS (
       SELECT sku, sum(units) FILTER (WHERE status = 'pending') AS pending,
         sum(units) FILTER (WHERE status = 'paid') AS paid
       FROM live GROUP BY sku)
     SELECT
       (SELECT jsonb_agg(jsonb_build_object('sku', ledger.sku, 'total', total, 'sold', sold,
           'pending', COALESCE(pending, 0), 'paid', COALESCE(paid, 0)) ORDER BY ledger.sku)
         FROM ledger LEFT JOIN units ON units.sku = ledger.sku WHERE sale_id = $1) AS items,
       (SELECT count(*) FROM (
         SELECT user_id FROM live GROUP BY user_id HAVING sum(taken) > $2::bigint
         UNION SELECT user_id FROM unnest($5::text[], $6::bigint[]) AS item (sku, most) JOIN live USING (sku)
         GROUP BY user_id, sku, most HAVING sum(taken) > most) AS buyer) AS over_limit,
       (SELECT count(*) FROM unnest($3::text[], $4::bigint[]) AS channel (id, cap)
         JOIN (SELECT channel_id, sum(taken) AS units FROM live GROUP BY channel_id) AS sold
           ON sold.channel_id = channel.id AND units > cap) AS over_cap`,
    // Without a limit nobody exceeds it: nothing is greater than null.
    [
      saleId,
      limits.limitPerBuyer ?? null,
      capped.map(({ id }) => id),
      capped.map(({ cap }) => cap),
      itemLimits.map(({ sku }) => sku),
      itemLimits.map(({ units }) => units),
    ],
  );
  const [units] = rows;
  invariant(units !== undefined, 'an aggregate answers one row');
  return { items: units.items, overLimit: Number(units.over_limit), overCap: Number(units.over_cap) };
}

async function readLanes(
  client: PoolClient,
  saleId: string,
  sale: Pick<Sale, 'lanes' | 'epoch'>,
): Promise<LedgerReading['lanes']> {
  // A fork has its sequence twice, so different ones are counted.
  const { rows } = await client.query<{ lane: number; sequence: string; gaps: string }>(
    `SELECT lane.lane, COALESCE(max(highest) FILTER (WHERE epoch = $3), 0) AS sequence,
       COALESCE(sum(highest - stored), 0) AS gaps
     FROM generate_series(0, $2::integer - 1) AS lane
     LEFT JOIN (
       SELECT lane, epoch, max(sequence) AS highest, count(DISTINCT sequence) AS stored
       FROM (
         SELECT lane, epoch, sequence FROM orders WHERE sale_id = $1
         UNION ALL SELECT lane, epoch, sequence FROM retakes WHERE sale_id = $1) AS taken
       GROUP BY lane, epoch) AS made ON made.lane = lane.lane
     GROUP BY lane.lane ORDER BY lane.lane`,
    [saleId, sale.lanes, sale.epoch],
  );
  return rows.map(({ lane, sequence, gaps }) => ({
    lane,
    sequence: Number(sequence),
    gaps: Number(gaps),
  }));
}

type Rest = Pick<LedgerReading, 'doubleKeys' | 'overdue' | 'orderOutbox' | 'replayedDeadLetters'>;

async function readRest(client: PoolClient, saleId: string, overdueMs: number): Promise<Rest> {
  return {
    doubleKeys: await count(
      client,
      `SELECT FROM orders WHERE sale_id = $1 AND status <> 'refused'
       GROUP BY user_id, idempotency_key HAVING count(*) > 1`,
      [saleId],
    ),
    overdue: await count(
      client,
      `SELECT FROM orders WHERE status = 'pending' AND sale_id = $1
         AND expires_at < now() - make_interval(secs => $2 / 1000.0)`,
      [saleId, overdueMs],
    ),
    orderOutbox: await count(
      client,
      `SELECT FROM outbox WHERE published_at IS NULL AND split_part(key, '.', 1) = $1`,
      [saleId],
    ),
    replayedDeadLetters: await count(
      client,
      `SELECT partition, "offset" FROM dead_letter_replays
       UNION SELECT partition, "offset" FROM dead_letters_done`,
      [],
    ),
  };
}

async function count(client: PoolClient, query: string, values: unknown[]): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `SELECT count(*) FROM (${query}) AS counted`,
    values,
  );
  return Number(rows[0]?.count);
}

async function readStored(client: PoolClient): Promise<LedgerReading['stored']> {
  const { rows } = await client.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM intake_offsets WHERE topic = $1 ORDER BY partition',
    [TOPICS.reservations.name],
  );
  const stored: string[] = Array.from({ length: TOPICS.reservations.partitions }, () => '0');
  for (const { partition, next_offset } of rows) stored[partition] = next_offset;
  return Array.from(stored, (offset: string | undefined) => offset ?? '0');
}
