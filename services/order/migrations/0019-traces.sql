-- The trace that an order began with, so that its end and its webhooks belong to it. Locks: orders for a
-- moment; no row is read or written.
ALTER TABLE orders ADD COLUMN traceparent text COLLATE "C";
