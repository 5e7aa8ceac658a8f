import type { OrderStatus, SaleInput } from '@seckill/contracts';
import { createRegistry, transaction, type Pool } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import type { Test } from 'tap';
import { createGroupStore, type GroupStore } from '../../src/groups/group-store.ts';
import { Groups } from '../../src/groups/groups.ts';
import { createGroupMetrics } from '../../src/groups/metrics.ts';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { Refunds } from '../../src/payments/refunds.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { buildEnds, createTestMetrics, until } from './build.ts';
import { createDatabase } from './database.ts';
import { makeNotice, storeOrders, storeSale } from './reservations.ts';

const FAR = Date.parse('2098-01-01T00:00:00.000Z');
export const SIGNAL = new AbortController().signal;
export const channel = (id: string, groupMinimum?: number) => ({
  id,
  kind: 'community' as const,
  title: id,
  ...(groupMinimum === undefined ? {} : { groupMinimum }),
});

export interface Group {
  channelId: string;
  state: string;
  units: number | null;
  isEnded: boolean;
}

export async function readGroups(pool: Pool): Promise<Group[]> {
  const { rows } = await pool.query<Group>(
    `SELECT channel_id AS "channelId", state, units::int AS units, ended_at IS NOT NULL AS "isEnded"
     FROM sale_groups ORDER BY sale_id, channel_id`,
  );
  return rows;
}

export interface Row {
  id: string;
  status: OrderStatus;
  back: number;
}

export async function readRows(pool: Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, status, COALESCE((SELECT sum((line ->> 'returned')::int)
       FROM jsonb_array_elements(returned -> 'lines') AS line), 0)::int AS back
     FROM orders ORDER BY sequence`,
  );
  return rows;
}

/** A sale with orders of these units, by channel, that ends when the test closes it. */
export async function buildGroupSale(
  t: Test,
  input: Partial<SaleInput>,
  orders: { units?: number; channelId?: string }[],
) {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 }, input);
  const stored = await storeOrders(
    pool,
    saleId,
    orders.map(({ units = 1, channelId }, index) => ({
      sequence: index + 1,
      expiresAt: FAR,
      lines: [{ sku: 'orange', quantity: units, price: 100 }],
      ...(channelId === undefined ? {} : { channelId }),
    })),
  );
  const ends = buildEnds(pool);
  const metrics = { ...createTestMetrics(), ...createGroupMetrics(createRegistry()) };
  const lane = {
    saleId,
    gate: 'open' as 'open' | 'rebuilding',
    epoch: 1,
    version: 1,
    sequence: orders.length,
    now: FAR,
    state: 'open' as const,
    opensAt: 0,
    closesAt: FAR,
    outbox: 0,
    items: [],
  };
  const seen = { wakes: 0 };
  /** What the workers' clock shows. */
  const clock = { nowMs: 0 };
  const makeWorker = (wrap: (store: GroupStore) => GroupStore = (store) => store) =>
    new Groups({
      store: wrap(createGroupStore(pool)),
      stock: { readState: async () => ({ ...lane }) },
      wake: () => {
        seen.wakes += 1;
      },
      clock: { now: () => clock.nowMs, sleep: async () => undefined },
      logger: silent,
      metrics,
    });
  const worker = makeWorker();
  return {
    pool,
    saleId,
    lane,
    metrics,
    seen,
    clock,
    stored,
    ids: stored.map(({ reservationId }) => reservationId),
    makeWorker,
    pass: () => worker.pass(SIGNAL),
    /** Transactions of other tests, in other databases, count as well. */
    passUntilEnded: () =>
      until('what failed has ended', async () => {
        await worker.pass(SIGNAL);
        return (await readGroups(pool)).every(({ state, isEnded }) => state !== 'failed' || isEnded);
      }),
    close: () => new SaleStore(pool).change(saleId, 'closed'),
    pay: (id: string, units = 1) =>
      ends.payments.accept(makeNotice(id, { amount: { amount: 100 * units, currency: 'CNY' } })),
    cancel: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.cancel(id, rows[0]?.user_id ?? '');
    },
    read: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.read(id, rows[0]?.user_id ?? '');
    },
    sandbox: async (id: string) => {
      const { rows } = await pool.query<{ user_id: string }>('SELECT user_id FROM orders WHERE id = $1', [
        id,
      ]);
      return ends.orders.paySandbox(id, rows[0]?.user_id ?? '');
    },
    /** Holds end as if their time were over. */
    expire: async (ids: string[]) => {
      await pool.query(`UPDATE orders SET expires_at = 'epoch' WHERE id = ANY ($1)`, [ids]);
      await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 1_000 }));
    },
    refunds: () => new Refunds(pool).list({ state: 'due', saleId, limit: 100 }),
  };
}
