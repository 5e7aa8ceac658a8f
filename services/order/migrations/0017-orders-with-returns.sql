-- The orders of which something came back, for a check of a lane. In a migration of its own, because the one
-- that adds the column keeps everybody out. Readers go on while the orders are read; writers wait.

CREATE INDEX orders_by_returned ON orders (id) WHERE returned IS NOT NULL;
