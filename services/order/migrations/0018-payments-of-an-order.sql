-- In a migration of its own: a notice locks its order and then its payment. A transaction that has locked the
-- orders for an index, and then asks for the payments, would wait for it in a circle. Readers go on, writers
-- wait.

-- Every payment of an order. It also serves what the index of due refunds served.
CREATE INDEX payments_by_order ON payments (order_id);
DROP INDEX payments_by_refund_of_order;
