-- In a migration of its own, because the one that adds the columns keeps everybody out. Readers go on while
-- the orders are read, and writers wait. No order of before has moved, so the index is empty.

-- The orders that a channel hands out besides its own.
CREATE INDEX orders_by_pickup_channel ON orders (sale_id, pickup_channel_id, reserved_at DESC, id DESC)
  WHERE pickup_channel_id IS NOT NULL;
