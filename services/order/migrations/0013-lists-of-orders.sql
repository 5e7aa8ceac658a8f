-- Lists of a sale's orders for operators. Both indexes and the one of payments are built under a lock that
-- lets readers in; writers wait as long as the orders of before take.

-- The newest of each status first, of a whole sale or of a channel: a page reads the rows that it shows.
CREATE INDEX orders_by_status ON orders (sale_id, status, reserved_at DESC, id DESC);
CREATE INDEX orders_by_channel ON orders (sale_id, channel_id, status, reserved_at DESC, id DESC)
  WHERE channel_id IS NOT NULL;

-- Every payment of an order. It also serves what the index of due refunds served.
CREATE INDEX payments_by_order ON payments (order_id);
DROP INDEX payments_by_refund_of_order;
