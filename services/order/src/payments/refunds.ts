import { detailOf, formatInstant, type Refund, type RefundPage } from '@seckill/contracts';
import { invariant, Problem, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { formatPageCursor, instantOf, microsecondsOf, parsePageCursor } from '../pages/page-cursor.ts';
import { toPage } from '../pages/page.ts';
import { assertInTime } from '../deadline.ts';

/** An order comes within seconds of its payment. An order that has not come by now is missing. */
export const ORDER_WAIT_MINUTES = 5;

export interface RefundQuery {
  state: Refund['state'];
  saleId?: string | undefined;
  /** Money that is due from then on. For what is done, too, it is the moment from which the money was due. */
  since?: Date | undefined;
  /** And before then. */
  until?: Date | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** SQL for why the money of a return is due. */
export const REASON_OF_RETURN = `CASE WHEN is_of_failed_group THEN 'group_failed' ELSE 'returned' END`;

interface RefundRow {
  id: string;
  order_id: string;
  payment_id: string;
  amount: string;
  currency: string;
  reason: Refund['reason'];
  since: Date;
  since_us: string;
  notices: number;
  is_return: boolean;
  refunded_at: Date | null;
  refund_reference: string | null;
}

/**
 * Money that a person has to look after. These are payments that buy nothing, payments whose order does not
 * come, and money for units that came back.
 */
export class Refunds {
  readonly #pool: Pool;
  readonly #onDone: (reason: Refund['reason']) => void;

  /** @param onDone hears of each refund once. */
  constructor(pool: Pool, onDone: (reason: Refund['reason']) => void = () => undefined) {
    this.#pool = pool;
    this.#onDone = onDone;
  }

  /**
   * Lists the oldest first. A page continues behind the last refund seen, and not behind a count. What
   * becomes due or done meanwhile neither hides a refund nor repeats one.
   * @throws Problem `invalid_request` when the cursor is not one of ours.
   */
  async list({ state, saleId, since, until, limit, cursor }: RefundQuery): Promise<RefundPage> {
    const after = cursor === undefined ? undefined : parsePageCursor(cursor);
    const read = (where: string, at: string, reason: string) =>
      `(SELECT id, order_id, payment_id, amount, currency, ${reason} AS reason, ${at} AS since,
          ${microsecondsOf(at)} AS since_us, notices, false AS is_return, refunded_at, refund_reference
        FROM payments WHERE ${where}
          AND ($1::text IS NULL OR (order_id > $1 || '.' AND order_id < $1 || '/'))
          AND ($2::timestamptz IS NULL OR ${at} >= $2) AND ($3::timestamptz IS NULL OR ${at} < $3)
          AND ($4::bigint IS NULL OR (${at}, id) > (${instantOf('$4')}, $5::bigint))
        ORDER BY ${at}, id LIMIT $6)`;
    const readReturns = (where: string) =>
      `(SELECT refund_id AS id, order_id, payment_id, amount, currency, ${REASON_OF_RETURN} AS reason, at AS since,
          ${microsecondsOf('at')} AS since_us, 0 AS notices, true AS is_return, refunded_at, refund_reference
        FROM returns WHERE ${where}
          AND ($1::text IS NULL OR (order_id > $1 || '.' AND order_id < $1 || '/'))
          AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
          AND ($4::bigint IS NULL OR (at, refund_id) > (${instantOf('$4')}, $5::bigint))
        ORDER BY at, refund_id LIMIT $6)`;
    const sources =
      state === 'done'
        ? [
            read('refunded_at IS NOT NULL AND amount > 0', 'result_at', 'refund_reason'),
            readReturns('refunded_at IS NOT NULL'),
          ]
        : [
            readReturns('refunded_at IS NULL AND amount > 0'),
            read(
              `result = 'refund_due' AND refunded_at IS NULL AND amount > 0`,
              'result_at',
              'refund_reason',
            ),
            read(
              `result = 'recorded' AND amount > 0 AND received_at < now() - make_interval(mins => ${ORDER_WAIT_MINUTES})`,
              'received_at',
              `'no_order_yet'`,
            ),
          ];
    const { rows } = await this.#pool.query<RefundRow>(
      `SELECT * FROM (${sources.join(' UNION ALL ')}) AS refunds ORDER BY since, id LIMIT $6`,
      [saleId ?? null, since ?? null, until ?? null, after?.at ?? null, after?.id ?? null, limit + 1],
    );
    const page = toPage(rows, limit, ({ since_us: at, id }) => formatPageCursor({ at, id }));
    return { ...page, data: page.data.map(toRefund) };
  }

  /**
   * Marks money as given back. A repeat with the same reference changes nothing. Money whose order has not
   * come buys nothing any more from then on, also if the order comes after all.
   * @throws Problem `refund_not_found`, also for money that is in an order; `refund_done` under another
   * reference; `overloaded` when the deadline has passed.
   */
  async done(id: string, reference: string, deadline?: number): Promise<Refund> {
    if (!/^\d{1,18}$/.test(id)) throw new Problem('refund_not_found');
    const { refund, isNew } = await transaction(this.#pool, async (client) => {
      const row = (await lockRefund(client, id)) ?? (await lockReturn(client, id));
      if (row === undefined) throw new Problem('refund_not_found');
      if (row.refund_reference === reference) return { refund: toRefund(row), isNew: false };
      if (row.refund_reference !== null) {
        throw new Problem('refund_done', {
          detail: detailOf('refund_done_under', { reference: row.refund_reference }),
          extra: { reference: row.refund_reference },
        });
      }
      await assertInTime(client, { deadline });
      if (row.is_return) {
        await client.query(
          'UPDATE returns SET refunded_at = clock_timestamp(), refund_reference = $2 WHERE refund_id = $1',
          [id, reference],
        );
        const done = await lockReturn(client, id);
        invariant(done !== undefined, `refund ${id} vanished under its lock`);
        return { refund: toRefund(done), isNew: true };
      }
      await client.query(
        `UPDATE payments SET result = 'refund_due', refund_reason = COALESCE(refund_reason, 'order_missing'),
           result_at = CASE result WHEN 'recorded' THEN received_at ELSE result_at END,
           refunded_at = clock_timestamp(), refund_reference = $2
         WHERE id = $1`,
        [id, reference],
      );
      const done = await lockRefund(client, id);
      invariant(done !== undefined, `refund ${id} vanished under its lock`);
      return { refund: toRefund(done), isNew: true };
    });
    if (isNew) this.#onDone(refund.reason);
    return refund;
  }
}

/** Money for units that came back; a return that cost nothing is no refund. */
async function lockReturn(client: PoolClient, id: string): Promise<RefundRow | undefined> {
  const { rows } = await client.query<RefundRow>(
    `SELECT refund_id AS id, order_id, payment_id, amount, currency, ${REASON_OF_RETURN} AS reason, at AS since,
       ${microsecondsOf('at')} AS since_us, 0 AS notices, true AS is_return, refunded_at, refund_reference
     FROM returns WHERE refund_id = $1 AND amount > 0 FOR UPDATE`,
    [id],
  );
  return rows[0];
}

/** Selects refunds alone. Money that has just been recorded is none yet, and a notice of 0 never is. */
async function lockRefund(client: PoolClient, id: string): Promise<RefundRow | undefined> {
  const { rows } = await client.query<RefundRow>(
    `SELECT id, order_id, payment_id, amount, currency, COALESCE(refund_reason, 'no_order_yet') AS reason,
       result_at AS since, ${microsecondsOf('result_at')} AS since_us, notices, false AS is_return,
       refunded_at, refund_reference
     FROM payments
     WHERE id = $1 AND amount > 0 AND (result = 'refund_due' OR (result = 'recorded'
       AND received_at < now() - make_interval(mins => ${ORDER_WAIT_MINUTES})))
     FOR UPDATE`,
    [id],
  );
  return rows[0];
}

function toRefund(row: RefundRow): Refund {
  return {
    id: row.id,
    orderId: row.order_id,
    paymentId: row.payment_id,
    amount: { amount: Number(row.amount), currency: row.currency },
    reason: row.reason,
    state: row.refunded_at === null ? 'due' : 'done',
    since: formatInstant(row.since),
    notices: row.notices,
    ...(row.refunded_at === null ? {} : { doneAt: formatInstant(row.refunded_at) }),
    ...(row.refund_reference === null ? {} : { reference: row.refund_reference }),
  };
}
