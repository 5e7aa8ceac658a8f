import {
  formatOrderCursor,
  LIMITS,
  parseOrderCursor,
  type OrderPosition,
  type OrderStatus,
} from '@seckill/contracts';
import { refuse } from '../invalid-request.ts';
import { toPage, type Page } from '../pages/page.ts';

/** Which orders of a user. */
export interface OrderQuery {
  userId: string;
  saleId?: string;
  status?: OrderStatus;
  limit?: number;
  cursor?: string;
}

/** One more than asked tells whether there is another page. */
export const rowsOf = (limit: number = LIMITS.ordersPageDefault): number => limit + 1;

/** @param rows as many as `rowsOf` says, if there are so many. */
export const toOrderPage = <Row extends OrderPosition>(
  rows: Row[],
  limit: number = LIMITS.ordersPageDefault,
): Page<Row> => toPage(rows, limit, formatOrderCursor);

/** @throws Problem `invalid_request` when the cursor is not one of ours. */
export const positionOf = (cursor: string | undefined): OrderPosition | undefined =>
  cursor === undefined ? undefined : (parseOrderCursor(cursor) ?? refuse('cursor_foreign', 'cursor'));

/** The orders of one user, newest first: what stands behind FROM, and its values. */
export function selectOfUser({ userId, saleId, status, limit, cursor }: OrderQuery): [string, unknown[]] {
  const after = positionOf(cursor);
  return [
    `orders WHERE user_id = $1
         AND ($2::text IS NULL OR sale_id = $2)
         AND ($3::text IS NULL OR status = $3)
         AND ($4::timestamptz IS NULL OR (reserved_at, id) < ($4, $5::text))
       ORDER BY reserved_at DESC, id DESC
       LIMIT $6`,
    [userId, saleId ?? null, status ?? null, after?.reservedAt ?? null, after?.id ?? null, rowsOf(limit)],
  ];
}
