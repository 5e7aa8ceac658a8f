/**
 * SQL for what became of the group purchase that a row of `orders` belongs to; null: it belongs to none. That
 * is the group of its channel, and the sale's where the channel has none.
 */
export const GROUP_OF_ORDER = `(SELECT sale_groups.state FROM sale_groups
  WHERE sale_groups.sale_id = orders.sale_id AND sale_groups.channel_id IN ('', COALESCE(orders.channel_id, ''))
  ORDER BY sale_groups.channel_id DESC LIMIT 1)`;

/**
 * SQL for whether the goods of a paid order may leave: its group purchase was reached, or it belongs to none.
 * Neither changes any more. Goods of another group may be for sale again.
 */
export const MAY_LEAVE = `COALESCE(${GROUP_OF_ORDER}, 'reached') = 'reached'`;
