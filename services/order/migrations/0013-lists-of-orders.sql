-- Lists of a sale's orders for operators. Both indexes are built under a lock that
-- lets readers in; writers wait as long as the orders of before take.

-- The newest of each status first, of a whole sale or of a channel: a page reads the rows that it shows.
CREATE INDEX orders_by_status ON orders (sale_id, status, reserved_at DESC, id DESC);
CREATE INDEX orders_by_channel ON orders (sale_id, channel_id, status, reserved_at DESC, id DESC)
  WHERE channel_id IS NOT NULL;
