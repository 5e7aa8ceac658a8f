/**
 * SQL for what became of the group purchase that a row of `orders` belongs to; null: it belongs to none. That
 * is the group of its channel, and the sale's where the channel has none.
 */
export const GROUP_OF_ORDER = `(SELECT sale_groups.state FROM sale_groups
  WHERE sale_groups.sale_id = orders.sale_id AND sale_groups.channel_id IN ('', COALESCE(orders.channel_id, ''))
  ORDER BY sale_groups.channel_id DESC LIMIT 1)`;
