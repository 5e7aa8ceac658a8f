-- Units of paid orders come back. No statement reads the orders that there are; each locks its table for a
-- moment.

-- All that came back of a paid order, as the settlement tells Redis: { number, lines: [{ sku, returned,
-- restocked }] }. A nullable column without a default changes the catalogue alone.
ALTER TABLE orders ADD COLUMN returned jsonb;

-- One row for each return, written with the change of the order and the ledger.
CREATE TABLE returns (
  order_id text COLLATE "C" NOT NULL,
  -- Of the order, from 1.
  number integer NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  -- [{ sku, quantity }]
  lines jsonb NOT NULL,
  -- For sale again; else written off.
  restocked boolean NOT NULL,
  -- Minor units that are due to the buyer, and the payment that they came with.
  amount bigint NOT NULL,
  currency text NOT NULL,
  payment_id text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Refunds of payments and of returns are numbered together: a number names one refund.
  refund_id bigint NOT NULL DEFAULT nextval(pg_get_serial_sequence('payments', 'id')),
  refunded_at timestamptz,
  refund_reference text,
  PRIMARY KEY (order_id, number),
  CONSTRAINT returns_once_per_key UNIQUE (order_id, idempotency_key),
  CONSTRAINT returns_of_known_order FOREIGN KEY (order_id) REFERENCES orders (id),
  CONSTRAINT returns_amount_positive CHECK (amount >= 0),
  CONSTRAINT returns_refunded_with_reference CHECK ((refunded_at IS NULL) = (refund_reference IS NULL))
);
CREATE UNIQUE INDEX returns_by_refund ON returns (refund_id);
CREATE INDEX returns_by_refund_due ON returns (at, refund_id) WHERE refunded_at IS NULL AND amount > 0;
CREATE INDEX returns_by_refund_done ON returns (at, refund_id) WHERE refunded_at IS NOT NULL;
