-- Sales, the ledger with Postgres' last word on their units (INV-1), orders, and how far the intake has read.
-- Ids are compared bytewise (collation "C"): locks are taken in their order, which must not depend on a locale.

CREATE TABLE sales (
  id text COLLATE "C" PRIMARY KEY,
  definition jsonb NOT NULL,
  -- Of the admin's request as sent: tells a repeat from another sale under the same id.
  fingerprint text NOT NULL,
  lanes integer NOT NULL,
  -- Generation of the sale's Redis state; raised only here.
  epoch bigint NOT NULL DEFAULT 0,
  -- The last epoch that was allowed to open; null: stock never took a reservation.
  opened_epoch bigint,
  -- Number of the control state, and the highest that stock confirmed.
  version bigint NOT NULL DEFAULT 1,
  acknowledged_version bigint NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'open',
  opens_at timestamptz NOT NULL,
  closes_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sales_state_known CHECK (state IN ('open', 'paused', 'closed')),
  CONSTRAINT sales_close_after_open CHECK (closes_at > opens_at),
  CONSTRAINT sales_acknowledged_within_version CHECK (acknowledged_version <= version),
  CONSTRAINT sales_opened_within_epoch CHECK (opened_epoch <= epoch)
);

-- Handover asks twice a second which sales stock has not acknowledged.
CREATE INDEX sales_by_unacknowledged ON sales (id) WHERE acknowledged_version < version;

CREATE TABLE ledger (
  sale_id text COLLATE "C" NOT NULL,
  sku text COLLATE "C" NOT NULL,
  total bigint NOT NULL,
  sold bigint NOT NULL DEFAULT 0,
  -- Minor units for one.
  price bigint NOT NULL,
  currency text NOT NULL,
  PRIMARY KEY (sale_id, sku),
  CONSTRAINT ledger_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id),
  -- INV-1: whatever Redis said, no more than the total is sold.
  CONSTRAINT ledger_sold_within_total CHECK (sold >= 0 AND sold <= total)
);

CREATE TABLE orders (
  id text COLLATE "C" PRIMARY KEY,
  sale_id text COLLATE "C" NOT NULL,
  lane integer NOT NULL,
  epoch bigint NOT NULL,
  sequence bigint NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  lines jsonb NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  channel_id text,
  ref text,
  status text NOT NULL,
  -- Why the order is refused.
  refusal text,
  reserved_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  paid_at timestamptz,
  ended_at timestamptz,
  pickup_code text,
  stored_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT orders_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id),
  CONSTRAINT orders_status_known CHECK (status IN ('pending', 'paid', 'cancelled', 'expired', 'refused')),
  CONSTRAINT orders_refused_with_reason CHECK ((status = 'refused') = (refusal IS NOT NULL)),
  CONSTRAINT orders_refusal_known CHECK (refusal IN ('ledger', 'key_clash', 'sequence_fork'))
);

-- A clash here is a fork of Redis' history.
CREATE UNIQUE INDEX orders_one_per_sequence ON orders (sale_id, lane, epoch, sequence) WHERE status <> 'refused';
-- INV-4: one order per key.
CREATE UNIQUE INDEX orders_one_per_key ON orders (sale_id, user_id, idempotency_key) WHERE status <> 'refused';
-- A user's own orders, newest first.
CREATE INDEX orders_by_user ON orders (user_id, reserved_at DESC, id DESC);

CREATE TABLE intake_offsets (
  topic text NOT NULL,
  partition integer NOT NULL,
  -- The first message that is not stored.
  next_offset bigint NOT NULL,
  PRIMARY KEY (topic, partition)
);
