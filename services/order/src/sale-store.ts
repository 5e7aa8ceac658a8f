import type { ControlVerb, SaleDefinition, SaleToLoad } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';

export interface StoredSale {
  definition: SaleDefinition;
  fingerprint: string;
  lanes: number;
  epoch: number;
  version: number;
  acknowledgedVersion: number;
  state: ControlVerb;
  /** `closesAt` has passed, by Postgres' clock. */
  isOver: boolean;
  isRetired: boolean;
}

export interface NewSale {
  definition: SaleDefinition;
  fingerprint: string;
  lanes: number;
}

const COLUMNS = `definition, fingerprint, lanes, epoch, version, acknowledged_version, state,
  closes_at <= now() AS is_over, retired_at IS NOT NULL AS is_retired`;

interface SaleRow {
  definition: SaleDefinition;
  fingerprint: string;
  lanes: number;
  epoch: string;
  version: string;
  acknowledged_version: string;
  state: ControlVerb;
  is_over: boolean;
  is_retired: boolean;
}

/** Beyond any clock's error and any repeat of a client (recovery.md, "End of life"). */
const RETIRE_AFTER_HOURS = 24;

/** The `sales` table. Every change is one statement, so that racing calls are ordered by the row's lock. */
export class SaleStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Postgres' clock; milliseconds since the epoch. */
  async readNow(): Promise<number> {
    const { rows } = await this.#pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    return rows[0]?.now.getTime() ?? NaN;
  }

  async read(saleId: string): Promise<StoredSale | undefined> {
    const { rows } = await this.#pool.query<SaleRow>(`SELECT ${COLUMNS} FROM sales WHERE id = $1`, [saleId]);
    return rows[0] && toSale(rows[0]);
  }

  /**
   * Sale and ledger in one transaction (decision 4: the ledger's totals come from the definition, never through Redis).
   * @returns false when the id is taken.
   */
  async insert(sale: NewSale): Promise<boolean> {
    return transaction(this.#pool, async (client) => {
      const { id, opensAt, closesAt } = sale.definition;
      const { rowCount } = await client.query(
        `INSERT INTO sales (id, definition, fingerprint, lanes, opens_at, closes_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
        [id, JSON.stringify(sale.definition), sale.fingerprint, sale.lanes, opensAt, closesAt],
      );
      if (rowCount !== 1) return false;
      await insertLedger(client, sale.definition);
      return true;
    });
  }

  /**
   * A control state decided by hand, under the next version. Closed is for ever; a sale that is over can still be
   * closed, but neither paused nor resumed.
   * @returns false when nothing changed: no such sale, already so, or closed.
   */
  async change(saleId: string, state: ControlVerb): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      `UPDATE sales SET state = $2, version = version + 1
       WHERE id = $1 AND state <> $2 AND state <> 'closed' AND ($2 = 'closed' OR closes_at > now())`,
      [saleId, state],
    );
    return rowCount === 1;
  }

  /** Oldest ids first is enough: what fails is named in `except` and does not hold up the others. */
  async listUnacknowledged(limit: number, except: string[]): Promise<StoredSale[]> {
    const { rows } = await this.#pool.query<SaleRow>(
      `SELECT ${COLUMNS} FROM sales
       WHERE acknowledged_version < version AND retired_at IS NULL AND id <> ALL ($2::text[])
       ORDER BY id LIMIT $1`,
      [limit, except],
    );
    return rows.map(toSale);
  }

  /** @returns the sale's version, which an honest stock never exceeds; undefined when there is no such sale. */
  async acknowledge(saleId: string, version: number): Promise<number | undefined> {
    const { rows } = await this.#pool.query<{ version: string }>(
      `UPDATE sales SET acknowledged_version = GREATEST(acknowledged_version, LEAST($2, version))
       WHERE id = $1 RETURNING version`,
      [saleId, version],
    );
    return rows[0] && Number(rows[0].version);
  }

  /** The next epoch of a sale that was never opened; undefined when it was, or there is no such sale. */
  async raiseEpoch(saleId: string): Promise<StoredSale | undefined> {
    const { rows } = await this.#pool.query<SaleRow>(
      `UPDATE sales SET epoch = epoch + 1
       WHERE id = $1 AND opened_epoch IS NULL AND retired_at IS NULL RETURNING ${COLUMNS}`,
      [saleId],
    );
    return rows[0] && toSale(rows[0]);
  }

  /** @returns whether this epoch is the newest, and from now on counts as opened. */
  async openEpoch(saleId: string, epoch: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      'UPDATE sales SET opened_epoch = epoch WHERE id = $1 AND epoch = $2 AND epoch > 0',
      [saleId, epoch],
    );
    return rowCount === 1;
  }

  /**
   * Retires sales that nothing can happen to any more: long over, no order pending, every settlement in Kafka.
   * @returns their ids.
   */
  async retire(): Promise<string[]> {
    const { rows } = await this.#pool.query<{ id: string }>(
      `UPDATE sales SET retired_at = now()
       WHERE retired_at IS NULL AND closes_at < now() - make_interval(hours => $1)
         AND closes_at + make_interval(hours => $1, secs => (definition ->> 'holdSeconds')::float8) < now()
         AND NOT EXISTS (SELECT FROM orders WHERE orders.sale_id = sales.id AND status = 'pending')
         AND NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL AND split_part(key, '.', 1) = sales.id)
       RETURNING id`,
      [RETIRE_AFTER_HOURS],
    );
    return rows.map(({ id }) => id);
  }

  /** With nothing pending, what the ledger has sold is what was paid. */
  async readPaid(saleId: string): Promise<{ sku: string; total: number; paid: number }[]> {
    const { rows } = await this.#pool.query<{ sku: string; total: string; sold: string }>(
      'SELECT sku, total, sold FROM ledger WHERE sale_id = $1 ORDER BY sku',
      [saleId],
    );
    return rows.map(({ sku, total, sold }) => ({ sku, total: Number(total), paid: Number(sold) }));
  }

  /** Every sale that is not retired, and the highest reservation stored for each of its lanes. */
  async listToLoad(): Promise<SaleToLoad[]> {
    const { rows } = await this.#pool.query<ToLoadRow>(
      `SELECT sales.id, sales.epoch AS sale_epoch, lane, highest.epoch, highest.sequence
       FROM sales CROSS JOIN generate_series(0, sales.lanes - 1) AS lane
       LEFT JOIN LATERAL (
         (SELECT epoch, sequence FROM orders
          WHERE sale_id = sales.id AND orders.lane = lane.lane AND status <> 'refused'
          ORDER BY epoch DESC, sequence DESC LIMIT 1)
         UNION ALL
         (SELECT epoch, sequence FROM orders
          WHERE sale_id = sales.id AND orders.lane = lane.lane AND status = 'refused'
          ORDER BY epoch DESC, sequence DESC LIMIT 1)
         ORDER BY epoch DESC, sequence DESC LIMIT 1) AS highest ON true
       WHERE sales.retired_at IS NULL
       ORDER BY sales.id, lane`,
    );
    const sales = new Map<string, SaleToLoad>();
    for (const { id, sale_epoch, lane, epoch, sequence } of rows) {
      const sale = sales.get(id) ?? { saleId: id, epoch: Number(sale_epoch), lanes: [] };
      sale.lanes.push({ lane, epoch: Number(epoch ?? 0), sequence: Number(sequence ?? 0) });
      sales.set(id, sale);
    }
    return [...sales.values()];
  }
}

interface ToLoadRow {
  id: string;
  sale_epoch: string;
  lane: number;
  epoch: string | null;
  sequence: string | null;
}

async function insertLedger(client: PoolClient, { id, items }: SaleDefinition): Promise<void> {
  await client.query(
    `INSERT INTO ledger (sale_id, sku, total, price, currency)
     SELECT $1, sku, total, price, currency
     FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS item (sku, total, price, currency)`,
    [
      id,
      items.map(({ sku }) => sku),
      items.map(({ total }) => total),
      items.map(({ price }) => price.amount),
      items.map(({ price }) => price.currency),
    ],
  );
}

function toSale(row: SaleRow): StoredSale {
  return {
    definition: row.definition,
    fingerprint: row.fingerprint,
    lanes: row.lanes,
    epoch: Number(row.epoch),
    version: Number(row.version),
    acknowledgedVersion: Number(row.acknowledged_version),
    state: row.state,
    isOver: row.is_over,
    isRetired: row.is_retired,
  };
}
