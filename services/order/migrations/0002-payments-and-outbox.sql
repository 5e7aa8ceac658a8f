-- How a hold ends: notices of payments, the outbox of settlements, restocks, replayed dead letters, retired sales.

-- Every notice that a provider sent. No foreign key to orders: a notice may come before its order (recovery.md, "Intake").
CREATE TABLE payments (
  payment_id text COLLATE "C" NOT NULL,
  order_id text COLLATE "C" NOT NULL,
  -- Minor units.
  amount bigint NOT NULL,
  currency text NOT NULL,
  result text NOT NULL,
  -- Why the money is to be given back.
  refund_reason text,
  -- Since when the result is so.
  result_at timestamptz NOT NULL DEFAULT now(),
  -- As the provider wrote it; kept for people, decides nothing.
  provider_timestamp text NOT NULL,
  notices integer NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT now(),
  last_received_at timestamptz NOT NULL DEFAULT now(),
  -- A notice that contradicts an earlier one of the same payment is a row of its own: nothing that was said is lost.
  PRIMARY KEY (payment_id, order_id, amount, currency),
  CONSTRAINT payments_result_known CHECK (result IN ('paid', 'refund_due', 'recorded')),
  CONSTRAINT payments_refund_with_reason CHECK ((result = 'refund_due') = (refund_reason IS NOT NULL)),
  CONSTRAINT payments_refund_reason_known
    CHECK (refund_reason IN ('wrong_amount', 'order_ended', 'second_payment', 'other_order', 'unknown_order'))
);

-- The same money never pays two orders, however its notices race.
CREATE UNIQUE INDEX payments_pay_one_order ON payments (payment_id) WHERE result = 'paid';
-- An order is paid by one payment.
CREATE UNIQUE INDEX payments_one_per_order ON payments (order_id) WHERE result = 'paid';
-- The intake looks for each new order's notice; next to always there is none.
CREATE INDEX payments_by_recorded ON payments (order_id) WHERE result = 'recorded';
CREATE INDEX payments_by_refund_due ON payments (result_at) WHERE result = 'refund_due';

-- Written in the transaction of the change it tells of (decision 6); the relay brings it to Kafka.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  headers jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
);

CREATE INDEX outbox_by_unpublished ON outbox (id) WHERE published_at IS NULL;

CREATE TABLE restocks (
  sale_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  sku text COLLATE "C" NOT NULL,
  quantity bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sale_id, idempotency_key),
  CONSTRAINT restocks_of_known_item FOREIGN KEY (sale_id, sku) REFERENCES ledger (sale_id, sku)
);

-- Of the topic of dead letters: what was replayed does not wait for a person any more.
CREATE TABLE dead_letter_replays (
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  replayed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, "offset")
);

-- Expiry asks ten times a second what is due.
CREATE INDEX orders_by_due ON orders (expires_at) WHERE status = 'pending';
-- With orders_one_per_sequence, which leaves them out: the highest sequence stored for a lane. Next to always empty.
CREATE INDEX orders_refused_by_sequence ON orders (sale_id, lane, epoch, sequence) WHERE status = 'refused';

-- Long over, with nothing left to settle: stock may forget the sale (recovery.md, "End of life").
ALTER TABLE sales ADD COLUMN retired_at timestamptz;
CREATE INDEX sales_by_unretired ON sales (closes_at) WHERE retired_at IS NULL;
