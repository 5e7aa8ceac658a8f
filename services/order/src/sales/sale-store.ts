import type { ControlVerb, SaleDefinition, SaleToLoad } from '@seckill/contracts';
import { ACTION_OF, writeChange } from './sale-changes.ts';
import { inTime } from '../deadline.ts';
import type { Operator, Steering } from './steering.ts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';

export interface StoredSale {
  definition: SaleDefinition;
  fingerprint: string;
  lanes: number;
  epoch: number;
  /** Absent when the sale never opened, so that stock never took a reservation. */
  openedEpoch?: number;
  /** The highest epoch that is distrusted; 0: none. The table `doubts` holds the distrusted epochs. */
  distrustedEpoch: number;
  version: number;
  acknowledgedVersion: number;
  state: ControlVerb;
  /** `closesAt` has passed, by Postgres' clock. */
  isOver: boolean;
  isRetired: boolean;
  /** The loosest limits that the sale ever had. Absent: those of the definition. */
  loosestLimits?: SaleLimits;
  /** How often order let the sale's lane open. */
  openings: number;
  /** Adjustments that Redis has not decided yet. */
  adjustments: { id: string; sku: string; quantity: number }[];
}

/** The limits of a definition, and no more of it. */
export interface SaleLimits {
  limitPerBuyer?: number;
  channels: { id: string; cap?: number }[];
}

/** A sale as a change by hand found it. */
export interface Decision {
  isChanged: boolean;
  state: ControlVerb;
  version: number;
  isOver: boolean;
}

interface DecisionRow {
  state: ControlVerb;
  version: string;
  is_over: boolean;
  is_changed: boolean;
}

export interface NewSale {
  definition: SaleDefinition;
  fingerprint: string;
  lanes: number;
}

const COLUMNS = `definition, loosest_limits, fingerprint, lanes, epoch, opened_epoch, version, acknowledged_version, state, openings,
  (SELECT max(doubts.epoch) FROM doubts WHERE doubts.sale_id = sales.id) AS distrusted_epoch,
  (SELECT jsonb_agg(jsonb_build_object('id', adjustments.id, 'sku', sku, 'quantity', asked)) FROM adjustments
    WHERE sale_id = sales.id AND taken IS NULL) AS adjustments,
  closes_at <= clock_timestamp() AS is_over, retired_at IS NOT NULL AS is_retired`;

interface SaleRow {
  definition: SaleDefinition;
  loosest_limits: SaleLimits | null;
  fingerprint: string;
  lanes: number;
  epoch: string;
  opened_epoch: string | null;
  distrusted_epoch: string | null;
  openings: string;
  adjustments: StoredSale['adjustments'] | null;
  version: string;
  acknowledged_version: string;
  state: ControlVerb;
  is_over: boolean;
  is_retired: boolean;
}

/** Longer than any error of a clock and any repeat of a client (docs/recovery.md, "End of life"). */
const RETIRE_AFTER_HOURS = 24;
const REST_IS_OVER = `closes_at + make_interval(hours => $1, secs => (definition ->> 'holdSeconds')::float8) < now()`;

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
   * Stores sale, ledger and the first row of the audit trail in one transaction. The ledger's totals come
   * from the definition, never through Redis (D4).
   * @returns false when the id is taken.
   */
  async insert(sale: NewSale, operator: Operator = {}): Promise<boolean> {
    return transaction(this.#pool, async (client) => {
      const { id, opensAt, closesAt } = sale.definition;
      const { rowCount } = await client.query(
        `INSERT INTO sales (id, definition, fingerprint, lanes, opens_at, closes_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
        [id, JSON.stringify(sale.definition), sale.fingerprint, sale.lanes, opensAt, closesAt],
      );
      if (rowCount !== 1) return false;
      const created = {
        saleId: id,
        version: 1,
        action: 'create',
        before: {},
        after: sale.definition,
      } as const;
      await writeChange(client, created, operator);
      await insertLedger(client, sale.definition);
      await insertGroups(client, sale.definition);
      return true;
    });
  }

  /**
   * Stores a control state that was decided by hand, under the next version. A closed sale stays closed. A
   * sale that is over can still be closed, but neither paused nor resumed. The row is locked before version
   * and deadline are judged: a statement that waited for the lock would otherwise be judged by the time at
   * which it began to wait.
   * The audit trail gets its row in the same statement.
   * @returns what it was decided on; undefined when there is no such sale.
   */
  async change(
    saleId: string,
    state: ControlVerb,
    { version, deadline, by, reason }: Steering = {},
  ): Promise<Decision | undefined> {
    const { rows } = await this.#pool.query<DecisionRow>(
      `WITH locked AS MATERIALIZED (
         SELECT id, state, version, closes_at FROM sales WHERE id = $1 FOR NO KEY UPDATE),
       judged AS MATERIALIZED (
         SELECT id, state, version, closes_at <= clock_timestamp() AS is_over, ${inTime('$4')} AS is_in_time
         FROM locked),
       changed AS (
         UPDATE sales
         SET state = $2::text, state_at = clock_timestamp(), version = judged.version + 1 FROM judged
         WHERE sales.id = judged.id AND judged.state <> $2 AND judged.state <> 'closed'
           AND ($2 = 'closed' OR NOT is_over) AND ($3::bigint IS NULL OR judged.version = $3) AND is_in_time
         RETURNING sales.id, sales.version, judged.state AS before),
       told AS (
         INSERT INTO sale_changes (sale_id, version, by, action, reason, before, after)
         SELECT id, version, $5, $6, $7, jsonb_build_object('state', before), jsonb_build_object('state', $2::text)
         FROM changed)
       SELECT state, version, is_over, EXISTS (SELECT FROM changed) AS is_changed FROM judged`,
      [saleId, state, version ?? null, deadline ?? null, by ?? null, ACTION_OF[state], reason ?? null],
    );
    return rows[0] && toDecision(rows[0]);
  }

  /**
   * Lists what stock has not acknowledged: a control state, that the open epoch is distrusted, or an
   * adjustment. The order
   * by id is fair enough, because what fails is named in `except` and does not hold up the others.
   */
  async listDue(limit: number, except: string[]): Promise<StoredSale[]> {
    const { rows } = await this.#pool.query<SaleRow>(
      `SELECT ${COLUMNS} FROM sales
       WHERE id IN (
           SELECT id FROM sales WHERE acknowledged_version < version
           UNION ALL
           SELECT sale_id FROM adjustments WHERE taken IS NULL
           UNION ALL
           SELECT sale_id FROM doubts JOIN sales AS distrusted ON distrusted.id = sale_id
           WHERE doubts.epoch >= COALESCE(opened_epoch, 0))
         AND retired_at IS NULL AND id <> ALL ($2::text[])
       ORDER BY id LIMIT $1`,
      [limit, except],
    );
    return rows.map(toSale);
  }

  /**
   * @returns the sale's version, which an honest stock never exceeds, and whether its open epoch is still
   * distrusted, so that the control sync goes on; undefined when there is no such sale.
   */
  async acknowledge(saleId: string, version: number): Promise<Acknowledgement | undefined> {
    const { rows } = await this.#pool.query<{ version: string; is_distrusted: boolean }>(
      `UPDATE sales SET acknowledged_version = GREATEST(acknowledged_version, LEAST($2, version))
       WHERE id = $1
       RETURNING version, EXISTS (
         SELECT FROM doubts WHERE sale_id = sales.id AND epoch >= COALESCE(opened_epoch, 0)) AS is_distrusted`,
      [saleId, version],
    );
    return rows[0] && { version: Number(rows[0].version), isDistrusted: rows[0].is_distrusted };
  }

  /**
   * Retires sales that nothing can happen to any more: long over, no order pending, no adjustment or group
   * undecided, every settlement in Kafka.
   * @returns their ids.
   */
  async retire(): Promise<string[]> {
    const { rows } = await this.#pool.query<{ id: string }>(
      `UPDATE sales SET retired_at = now()
       WHERE retired_at IS NULL AND closes_at < now() - make_interval(hours => $1)
         AND ${REST_IS_OVER}
         AND NOT EXISTS (SELECT FROM orders WHERE orders.sale_id = sales.id AND status = 'pending')
         AND NOT EXISTS (SELECT FROM adjustments WHERE sale_id = sales.id AND taken IS NULL)
         AND NOT EXISTS (SELECT FROM sale_groups WHERE sale_id = sales.id
           AND (sale_groups.state = 'waiting' OR (sale_groups.state = 'failed' AND ended_at IS NULL)))
         AND NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL AND split_part(key, '.', 1) = sales.id)
       RETURNING id`,
      [RETIRE_AFTER_HOURS],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * The paid units by SKU of a sale without pending orders: there, what the ledger has sold is what was paid.
   */
  async readPaid(saleId: string): Promise<{ sku: string; total: number; paid: number }[]> {
    const { rows } = await this.#pool.query<{ sku: string; total: string; sold: string }>(
      'SELECT sku, total, sold FROM ledger WHERE sale_id = $1 ORDER BY sku',
      [saleId],
    );
    return rows.map(({ sku, total, sold }) => ({ sku, total: Number(total), paid: Number(sold) }));
  }

  /** Every sale that is not retired. */
  async listToLoad(): Promise<SaleToLoad[]> {
    const { rows } = await this.#pool.query<ToLoadRow>(
      // A group is decided by what its lane says, so the lane stays, or is loaded again, until then.
      `SELECT id, epoch, lanes, ${REST_IS_OVER} AND NOT EXISTS (SELECT FROM sale_groups
           WHERE sale_id = sales.id AND sale_groups.state = 'waiting') AS may_retire
       FROM sales WHERE retired_at IS NULL ORDER BY id`,
      [RETIRE_AFTER_HOURS],
    );
    return rows.map(({ id, epoch, lanes, may_retire }) => ({
      saleId: id,
      epoch: Number(epoch),
      mayRetire: may_retire,
      lanes,
    }));
  }
}

export interface Acknowledgement {
  version: number;
  isDistrusted: boolean;
}

/**
 * Locks the sale's row, so that changes of one sale come one after another. Not FOR UPDATE: each order that
 * the intake inserts shares the sale's key.
 */
export async function lockSale(client: PoolClient, saleId: string): Promise<StoredSale | undefined> {
  const { rows } = await client.query<SaleRow>(
    `SELECT ${COLUMNS} FROM sales WHERE id = $1 FOR NO KEY UPDATE`,
    [saleId],
  );
  return rows[0] && toSale(rows[0]);
}

interface ToLoadRow {
  id: string;
  epoch: string;
  lanes: number;
  may_retire: boolean;
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

/**
 * Stores the groups that a definition has and the database does not. The sale's own has the channel ''. No
 * group is changed or taken away: buyers joined it as it was.
 */
export async function insertGroups(client: PoolClient, definition: SaleDefinition): Promise<void> {
  const { id, groupMinimum, channels } = definition;
  const groups = [{ id: '', groupMinimum }, ...channels].flatMap(
    ({ id: channelId, groupMinimum: minimum }) => (minimum === undefined ? [] : [{ channelId, minimum }]),
  );
  if (groups.length === 0) return;
  await client.query(
    `INSERT INTO sale_groups (sale_id, channel_id, minimum)
     SELECT $1, channel_id, minimum FROM unnest($2::text[], $3::bigint[]) AS own (channel_id, minimum)
     ON CONFLICT DO NOTHING`,
    [id, groups.map(({ channelId }) => channelId), groups.map(({ minimum }) => minimum)],
  );
}

function toDecision({ state, version, is_over, is_changed }: DecisionRow): Decision {
  return { isChanged: is_changed, state, version: Number(version), isOver: is_over };
}

function toSale(row: SaleRow): StoredSale {
  return {
    definition: row.definition,
    fingerprint: row.fingerprint,
    lanes: row.lanes,
    epoch: Number(row.epoch),
    ...(row.opened_epoch === null ? {} : { openedEpoch: Number(row.opened_epoch) }),
    distrustedEpoch: Number(row.distrusted_epoch ?? 0),
    version: Number(row.version),
    acknowledgedVersion: Number(row.acknowledged_version),
    state: row.state,
    isOver: row.is_over,
    isRetired: row.is_retired,
    openings: Number(row.openings),
    adjustments: row.adjustments ?? [],
    ...(row.loosest_limits === null ? {} : { loosestLimits: row.loosest_limits }),
  };
}
