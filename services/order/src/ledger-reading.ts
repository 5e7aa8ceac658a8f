import { TOPICS, type LedgerReading, type SaleDefinition } from '@seckill/contracts';
import { Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';

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
   * Everything from one snapshot of the database, so that its numbers belong together. Each statement is bounded by the
   * pool's time for one (5 s); 100,000 orders take about half a second in all.
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
        items: await readItems(client, saleId),
        lanes: await readLanes(client, saleId, sale),
        ...(await readLimits(client, saleId, sale.definition)),
        ...(await readRest(client, saleId, this.#overdueMs)),
        stored: await readStored(client),
      };
    });
  }
}

interface Sale {
  definition: SaleDefinition;
  lanes: number;
  epoch: number;
  now: number;
}

async function readSale(client: PoolClient, saleId: string): Promise<Sale | undefined> {
  const { rows } = await client.query<{
    definition: SaleDefinition;
    lanes: number;
    epoch: string;
    now: Date;
  }>('SELECT definition, lanes, epoch, clock_timestamp() AS now FROM sales WHERE id = $1', [saleId]);
  return rows[0] && { ...rows[0], epoch: Number(rows[0].epoch), now: rows[0].now.getTime() };
}

/** Of the sale's live orders, by the primary key. */
const LIVE_LINES = `orders CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
  WHERE id > $1 || '.' AND id < $1 || '/' AND status IN ('pending', 'paid')`;

async function readItems(client: PoolClient, saleId: string): Promise<LedgerReading['items']> {
  const { rows } = await client.query<{
    sku: string;
    total: string;
    sold: string;
    pending: string;
    paid: string;
  }>(
    `SELECT ledger.sku, total, sold, COALESCE(pending, 0) AS pending, COALESCE(paid, 0) AS paid
     FROM ledger LEFT JOIN (
       SELECT line.sku, sum(quantity) FILTER (WHERE status = 'pending') AS pending,
         sum(quantity) FILTER (WHERE status = 'paid') AS paid
       FROM ${LIVE_LINES} GROUP BY line.sku) AS live ON live.sku = ledger.sku
     WHERE sale_id = $1 ORDER BY ledger.sku`,
    [saleId],
  );
  return rows.map(({ sku, total, sold, pending, paid }) => ({
    sku,
    total: Number(total),
    sold: Number(sold),
    pending: Number(pending),
    paid: Number(paid),
  }));
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
       FROM orders WHERE sale_id = $1 GROUP BY lane, epoch) AS made ON made.lane = lane.lane
     GROUP BY lane.lane ORDER BY lane.lane`,
    [saleId, sale.lanes, sale.epoch],
  );
  return rows.map(({ lane, sequence, gaps }) => ({
    lane,
    sequence: Number(sequence),
    gaps: Number(gaps),
  }));
}

type Limits = Pick<LedgerReading, 'overLimit' | 'overCap'>;

async function readLimits(client: PoolClient, saleId: string, definition: SaleDefinition): Promise<Limits> {
  const capped = definition.channels.filter(({ cap }) => cap !== undefined);
  const limit = definition.limitPerBuyer;
  const overLimit =
    limit === undefined
      ? 0
      : await count(client, `SELECT FROM ${LIVE_LINES} GROUP BY user_id HAVING sum(quantity) > $2::bigint`, [
          saleId,
          limit,
        ]);
  const overCap =
    capped.length === 0
      ? 0
      : await count(
          client,
          `SELECT FROM unnest($2::text[], $3::bigint[]) AS channel (id, cap)
           JOIN (SELECT channel_id, sum(quantity) AS units FROM ${LIVE_LINES} GROUP BY channel_id) AS sold
             ON sold.channel_id = channel.id AND units > cap`,
          [saleId, capped.map(({ id }) => id), capped.map(({ cap }) => cap)],
        );
  return { overLimit, overCap };
}

type Rest = Pick<LedgerReading, 'doubleKeys' | 'overdue' | 'orderOutbox' | 'replayedDeadLetters'>;

async function readRest(client: PoolClient, saleId: string, overdueMs: number): Promise<Rest> {
  return {
    doubleKeys: await count(
      client,
      `SELECT FROM orders WHERE id > $1 || '.' AND id < $1 || '/' AND status <> 'refused'
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
    replayedDeadLetters: await count(client, 'SELECT FROM dead_letter_replays', []),
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
