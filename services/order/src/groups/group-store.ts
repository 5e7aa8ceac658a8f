import type { OrderStatus } from '@seckill/contracts';
import { transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { keepEvents } from '../ledger/order-events.ts';
import { endOrders } from '../ledger/settlement.ts';
import { returnRest, type PaidOrder } from '../orders/rest-returns.ts';
import { applyLateMoney } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import { IS_CLOSED, readWaitingGroups, type WaitingGroups } from './waiting-groups.ts';

/** One group purchase of a sale. */
export interface Group {
  saleId: string;
  /** '': the sale's own. */
  channelId: string;
}

export interface Decided extends Group {
  result: 'reached' | 'failed';
  /** Pending or paid, and not returned. */
  units: number;
  minimum: number;
}

/** What Redis says of a lane that takes no reservation any more. */
export interface ClosedLane {
  epoch: number;
  /** Number of the lane's last reservation or retake in this epoch, at the moment when Redis was asked. */
  sequence: number;
}

/** What one step did to the orders of a failed group. */
export interface EndedOrders {
  expired: number;
  refunded: number;
  /** Where the next step goes on; absent: all orders were looked at. */
  after?: string;
}

/** What the groups need of Postgres. */
export interface GroupStore {
  /** @returns ids of closed sales with an undecided group, by id, from behind `after` on. */
  listClosed(after: string, countMax: number): Promise<string[]>;
  /**
   * Decides the groups of a sale that can be decided. Nothing is decided while the sale is not closed, or
   * something that the lane promised is not stored, or late money waits for units.
   */
  decide(saleId: string, lane: ClosedLane): Promise<Decided[]>;
  /**
   * @returns failed groups whose orders have not all ended, by sale and channel, from behind `after` on, with
   * whether none can join them any more.
   */
  listFailed(after: Group, countMax: number): Promise<(Group & { isSealed: boolean })[]>;
  /** Ends some orders of a failed group, by id. Undefined: another process is at it, or it is done. */
  endOrders(group: Group, after: string | undefined, countMax: number): Promise<EndedOrders | undefined>;
  /** What waits for units of a failed group is due for refund. */
  refundLateMoney(group: Group): Promise<Applied[]>;
  /** Every order of the failed group has ended. */
  finish(group: Group): Promise<void>;
  /** Whether at least so many messages, of all sales, wait for Kafka. */
  isOutboxLong(count: number): Promise<boolean>;
  readWaiting(): Promise<WaitingGroups>;
}

interface CountRow {
  channel_id: string;
  minimum: string;
  pending: string;
  units: string;
}

interface MemberRow extends Omit<PaidOrder, 'saleId'> {
  status: OrderStatus;
}

/**
 * Rows of `orders` of the group $2 of the sale $1. An order belongs to the group of its channel, if that has
 * one, and else to the sale's. An index leads to the orders of a channel.
 */
const inGroup = ({ channelId }: Group): string =>
  channelId === ''
    ? `$2 = '' AND NOT EXISTS (SELECT FROM sale_groups AS own
         WHERE own.sale_id = orders.sale_id AND own.channel_id = orders.channel_id AND own.channel_id <> '')`
    : 'channel_id = $2';
/**
 * A failed group has seen all of its orders once no transaction lives that began before the decision, because
 * such a one may have paid an order. Transactions are told apart by their numbers. In a database that was
 * restored the numbers begin anew, so time decides there: this is longer than any transaction.
 */
const SEALED_MINUTES = 10;

export function createGroupStore(pool: Pool): GroupStore {
  return {
    async listClosed(after, countMax) {
      const { rows } = await pool.query<{ sale_id: string }>(
        `SELECT DISTINCT sale_id FROM sale_groups JOIN sales ON sales.id = sale_id
         WHERE sale_groups.state = 'waiting' AND sale_id > $1 AND ${IS_CLOSED}
         ORDER BY sale_id LIMIT $2`,
        [after, countMax],
      );
      return rows.map(({ sale_id }) => sale_id);
    },

    async decide(saleId, lane) {
      if (!(await isClosed(pool, saleId, lane)) || !(await isStored(pool, saleId, lane))) return [];
      return transaction(pool, (client) => decide(client, saleId));
    },

    async listFailed(after, countMax) {
      const { rows } = await pool.query<{ sale_id: string; channel_id: string; is_sealed: boolean }>(
        `SELECT sale_id, channel_id, decided_in < pg_snapshot_xmin(pg_current_snapshot())
           OR decided_at < now() - make_interval(mins => $2) AS is_sealed
         FROM sale_groups WHERE state = 'failed' AND ended_at IS NULL AND (sale_id, channel_id) > ($3, $4)
         ORDER BY sale_id, channel_id LIMIT $1`,
        [countMax, SEALED_MINUTES, after.saleId, after.channelId],
      );
      return rows.map(({ sale_id, channel_id, is_sealed }) => ({
        saleId: sale_id,
        channelId: channel_id,
        isSealed: is_sealed,
      }));
    },

    endOrders: (group, after, countMax) =>
      transaction(pool, (client) => endMembers(client, group, after, countMax)),

    refundLateMoney: (group) =>
      transaction(pool, async (client) => {
        const { saleId, channelId } = group;
        const { rows } = await client.query<{ id: string }>(
          `SELECT id FROM orders WHERE id IN (SELECT order_id FROM payments WHERE result = 'retaking')
             AND sale_id = $1 AND ${inGroup(group)}
           ORDER BY id FOR UPDATE`,
          [saleId, channelId],
        );
        const ids = rows.map(({ id }) => id);
        return applyLateMoney(client, ids, new Set());
      }),

    async finish({ saleId, channelId }) {
      await pool.query(
        `UPDATE sale_groups SET ended_at = clock_timestamp()
         WHERE sale_id = $1 AND channel_id = $2 AND state = 'failed' AND ended_at IS NULL`,
        [saleId, channelId],
      );
    },

    async isOutboxLong(count) {
      const { rowCount } = await pool.query(
        'SELECT FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 1 OFFSET $1',
        [count - 1],
      );
      return rowCount === 1;
    },

    readWaiting: () => readWaitingGroups(pool),
  };
}

/**
 * A closed sale stays closed. The lock is taken for the statement alone: a change of `closesAt` that was
 * decided before the close, and is stored after it, is waited for.
 */
async function isClosed(pool: Pool, saleId: string, { epoch }: ClosedLane): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM sales WHERE id = $1 AND epoch = $2 AND (state = 'closed' OR closes_at <= clock_timestamp())
     FOR SHARE`,
    [saleId, epoch],
  );
  return rowCount === 1;
}

/**
 * Every sequence of the epoch is stored, so no order is on its way. Those of older epochs were stored before
 * this epoch opened. While Redis is asked for the units of an expired order, that order may still be paid.
 */
async function isStored(pool: Pool, saleId: string, { epoch, sequence }: ClosedLane): Promise<boolean> {
  const { rows } = await pool.query<{ stored: string; is_retaking: boolean }>(
    `SELECT (SELECT count(DISTINCT sequence) FROM (
         SELECT sequence FROM orders WHERE sale_id = $1 AND lane = 0 AND epoch = $2
         UNION ALL SELECT sequence FROM retakes WHERE sale_id = $1 AND lane = 0 AND epoch = $2) AS taken
         -- A retake since then must not stand in for what is missing.
         WHERE sequence <= $3) AS stored,
       EXISTS (SELECT FROM payments JOIN orders ON orders.id = order_id
         WHERE result = 'retaking' AND orders.sale_id = $1) AS is_retaking`,
    [saleId, epoch, sequence],
  );
  return Number(rows[0]?.stored) >= sequence && rows[0]?.is_retaking === false;
}

/**
 * Counts and decides as of one statement. Nothing joins any more: what is pending may be paid or end, and
 * what is paid may come back. So too few stay too few, and enough are enough once none is pending. When
 * several processes decide at once, only one of them finds the group waiting.
 */
async function decide(client: PoolClient, saleId: string): Promise<Decided[]> {
  const { rows } = await client.query<CountRow>(
    `WITH joined AS MATERIALIZED (
       SELECT COALESCE(own.channel_id, '') AS channel_id, status, (
           SELECT sum((line ->> 'quantity')::bigint) FROM jsonb_array_elements(lines) AS line)
         - COALESCE((SELECT sum((line ->> 'returned')::bigint)
           FROM jsonb_array_elements(returned -> 'lines') AS line), 0) AS units
       FROM orders LEFT JOIN sale_groups AS own
         ON own.sale_id = orders.sale_id AND own.channel_id = orders.channel_id
       WHERE orders.sale_id = $1 AND status IN ('pending', 'paid'))
     SELECT sale_groups.channel_id, minimum, count(*) FILTER (WHERE status = 'pending') AS pending,
       COALESCE(sum(joined.units), 0) AS units
     FROM sale_groups LEFT JOIN joined ON joined.channel_id = sale_groups.channel_id
     WHERE sale_id = $1 AND state = 'waiting'
       -- Late money that began to wait since the look before counts as nothing here, and may still be paid.
       AND NOT EXISTS (SELECT FROM payments JOIN orders ON orders.id = order_id
         WHERE result = 'retaking' AND orders.sale_id = $1)
     GROUP BY sale_groups.channel_id, minimum ORDER BY sale_groups.channel_id`,
    [saleId],
  );
  const decided: Decided[] = [];
  for (const { channel_id: channelId, ...counts } of rows) {
    const [minimum, pending, units] = [counts.minimum, counts.pending, counts.units].map(Number);
    if (minimum === undefined || pending === undefined || units === undefined) continue;
    const result = units < minimum ? 'failed' : 'reached';
    if (result === 'reached' && pending > 0) continue;
    const { rowCount } = await client.query(
      `UPDATE sale_groups SET state = $3, units = $4, decided_at = clock_timestamp(),
         decided_in = pg_current_xact_id()
       WHERE sale_id = $1 AND channel_id = $2 AND state = 'waiting'`,
      [saleId, channelId, result, units],
    );
    if (rowCount !== 1) continue;
    await keepEvents(client, `group.${result}`, [subjectOf({ saleId, channelId })]);
    decided.push({ saleId, channelId, result, units, minimum });
  }
  return decided;
}

/** How webhooks name a group. */
const subjectOf = ({ saleId, channelId }: Group) => (channelId === '' ? saleId : `${saleId}/${channelId}`);

/**
 * The group's row is the lease: one process at a time takes the next orders. Orders are taken by id, as
 * everywhere; an order that is being paid is waited for, and then found paid. What was handed out all the
 * same is its buyer's, and those units must not be for sale again: an older order service hands out without
 * asking for the group.
 */
async function endMembers(
  client: PoolClient,
  group: Group,
  after: string | undefined,
  countMax: number,
): Promise<EndedOrders | undefined> {
  const { saleId, channelId } = group;
  const { rowCount } = await client.query(
    `SELECT FROM sale_groups WHERE sale_id = $1 AND channel_id = $2 AND state = 'failed' AND ended_at IS NULL
     FOR UPDATE SKIP LOCKED`,
    [saleId, channelId],
  );
  if (rowCount !== 1) return undefined;
  const locked = await client.query<{ id: string }>(
    `SELECT id FROM orders
     WHERE sale_id = $1 AND ${inGroup(group)} AND id > $3 AND id < $1 || '/' AND status IN ('pending', 'paid')
       AND picked_up_at IS NULL
     ORDER BY id LIMIT $4 FOR UPDATE`,
    [saleId, channelId, after ?? `${saleId}.`, countMax],
  );
  const ids = locked.rows.map(({ id }) => id);
  // A statement of its own: the one that waited for a row sees other tables as they were before it waited,
  // without a return that was stored meanwhile.
  const { rows } = await client.query<MemberRow>(
    `SELECT id, status, lane, lines, bought, currency, returned,
       CASE WHEN bought IS NOT NULL AND returned IS NOT NULL THEN (
         SELECT jsonb_agg(line) FROM returns, jsonb_array_elements(returns.lines) AS line
         WHERE returns.order_id = orders.id) END AS came_back
     FROM orders WHERE id = ANY ($1::text[]) ORDER BY id`,
    [ids],
  );
  const pending = rows.filter(({ status }) => status === 'pending').map(({ id }) => id);
  const ended = await endOrders(client, pending, 'expired');
  const paid = rows.filter(({ status }) => status === 'paid').map((row) => ({ ...row, saleId }));
  const refunded = await returnRest(client, paid);
  const last = ids.length === countMax ? ids.at(-1) : undefined;
  return { expired: ended.length, refunded, ...(last === undefined ? {} : { after: last }) };
}
