import {
  detailOf,
  formatInstant,
  type GroupState,
  type PickupRequest,
  type SealedPickup,
} from '@seckill/contracts';
import { Problem, transaction, type Pool } from '@seckill/runtime';
import { GROUP_OF_ORDER } from '../ledger/group-of-order.ts';
import { pickupScope } from '../ledger/pickup-codes.ts';
import { assertInTime } from '../deadline.ts';
import type { Steering } from '../sales/steering.ts';
import { leftOf, PICKUP_COLUMNS, toPickup, type PickupRow } from './pickup-list.ts';

interface HandedRow extends PickupRow {
  group_state: GroupState | null;
  /** Seconds until the sale closes; below 0: closed. */
  closes_in: number;
}

/** A group is decided within seconds of the close, or when the last hold has ended. */
const GROUP_WAIT_SECONDS = 5;

/**
 * Marks a paid order as handed out, once. The code names it: codes are given to paid orders only, and one is
 * unique where it is shown. Goods of a group purchase stay until it was reached: those of one that fails are
 * for sale again.
 * @throws Problem `pickup_not_found`; `already_picked_up` with `at`; `nothing_to_pick_up` when everything
 * came back, or with `group` when the group purchase of the order is `waiting` or `failed`. Waiting is the
 * one that passes, and no sooner than the sale closes. `overloaded` when the deadline has passed.
 */
export async function handOut(
  pool: Pool,
  { saleId, pickupPointId, code }: PickupRequest,
  { by, deadline }: Pick<Steering, 'by' | 'deadline'>,
): Promise<SealedPickup> {
  return transaction(pool, async (client) => {
    // The order is locked, as for a return and a move: whichever comes second finds the other one done.
    // The group is read as it was before the lock: an old `waiting` refuses, and other states never change.
    const { rows } = await client.query<HandedRow>(
      `SELECT ${PICKUP_COLUMNS}, ${GROUP_OF_ORDER} AS group_state,
         (SELECT CASE state WHEN 'closed' THEN 0 ELSE extract(epoch FROM closes_at - clock_timestamp()) END::float8
          FROM sales WHERE sales.id = orders.sale_id) AS closes_in
       FROM orders
       WHERE id = (SELECT order_id FROM pickup_codes WHERE scope = $1 AND code = $2)
         AND sale_id = $3 AND status = 'paid' FOR UPDATE`,
      [pickupScope({ saleId, pickupPointId }), code, saleId],
    );
    const [row] = rows;
    // A move that held the lock before may have taken the order, and its code, elsewhere.
    if (row === undefined || !(await isShownThere())) throw new Problem('pickup_not_found');
    if (row.picked_up_at !== null) {
      throw new Problem('already_picked_up', { extra: { at: formatInstant(row.picked_up_at) } });
    }
    const { group_state: group } = row;
    if (group === 'waiting') {
      throw new Problem('nothing_to_pick_up', {
        detail: detailOf('group_waiting'),
        extra: { group, retryable: true },
        retryAfterSeconds: Math.max(GROUP_WAIT_SECONDS, Math.ceil(row.closes_in)),
      });
    }
    if (group === 'failed') {
      throw new Problem('nothing_to_pick_up', { detail: detailOf('group_failed'), extra: { group } });
    }
    if (leftOf(row).length === 0) {
      throw new Problem('nothing_to_pick_up', { detail: detailOf('all_returned') });
    }
    await assertInTime(client, { deadline });
    const done = await client.query<PickupRow>(
      `UPDATE orders SET picked_up_at = clock_timestamp(), picked_up_by = $2 WHERE id = $1
       RETURNING ${PICKUP_COLUMNS}`,
      [row.id, by ?? null],
    );
    return toPickup(done.rows[0] ?? row);

    async function isShownThere(): Promise<boolean> {
      const { rowCount } = await client.query(
        'SELECT FROM pickup_codes WHERE scope = $1 AND code = $2 AND order_id = $3',
        [pickupScope({ saleId, pickupPointId }), code, row?.id],
      );
      return rowCount === 1;
    }
  });
}
