-- Money: one payment may pay several orders, and a refund can be marked as done.

-- A payment for several orders names each with its own amount. That the same money pays an order once is said
-- by the primary key and by payments_one_per_order.
DROP INDEX payments_pay_one_order;

ALTER TABLE payments
  -- Names a refund in lists and commands; the primary key is too long for people.
  ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
  ADD COLUMN refunded_at timestamptz,
  -- The provider's name for the refund, as the person wrote it who made it.
  ADD COLUMN refund_reference text,
  DROP CONSTRAINT payments_refund_reason_known,
  ADD CONSTRAINT payments_refund_reason_known CHECK (refund_reason IN
    ('wrong_amount', 'order_ended', 'second_payment', 'other_order', 'unknown_order', 'order_missing')),
  ADD CONSTRAINT payments_refunded_when_due
    CHECK ((refunded_at IS NULL) = (refund_reference IS NULL) AND (refunded_at IS NULL OR result = 'refund_due'));

CREATE UNIQUE INDEX payments_by_id ON payments (id);
-- Lists of refunds, page by page; what is due to one order.
DROP INDEX payments_by_refund_due;
CREATE INDEX payments_by_refund_due ON payments (result_at, id)
  WHERE result = 'refund_due' AND refunded_at IS NULL;
CREATE INDEX payments_by_refund_done ON payments (result_at, id) WHERE refunded_at IS NOT NULL;
CREATE INDEX payments_by_refund_of_order ON payments (order_id)
  WHERE result = 'refund_due' AND refunded_at IS NULL;
