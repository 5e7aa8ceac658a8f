-- Outgoing webhooks: where shops want to be told, and what they were told. The tables are new; sales get
-- marks and three small indexes. Whoever reads or changes a sale waits while the sales are read for these.
-- Only those that are still to open or to close are written.

CREATE TABLE webhook_endpoints (
  id text COLLATE "C" PRIMARY KEY,
  url text NOT NULL,
  events text[] NOT NULL,
  state text NOT NULL DEFAULT 'enabled',
  secret bytea NOT NULL,
  -- Signs beside the new one until then, so that a receiver can change over.
  old_secret bytea,
  old_secret_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT webhook_endpoints_state_known CHECK (state IN ('enabled', 'paused', 'disabled'))
);

-- One row for each event and endpoint, written in the transaction of the change that it tells of (D6). No
-- foreign key to the endpoint: the orders that end every second would all lock its row.
CREATE TABLE webhook_deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- What receivers know the event by. Random, because a restored database would count the same numbers again.
  webhook_id uuid NOT NULL DEFAULT gen_random_uuid(),
  endpoint_id text COLLATE "C" NOT NULL,
  type text NOT NULL,
  -- The order's id, or the sale's.
  subject text COLLATE "C" NOT NULL,
  state text NOT NULL DEFAULT 'pending',
  -- Made at the first attempt and sent byte by byte in the others.
  body text,
  attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When three days are over; a replay begins them anew.
  give_up_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '3 days',
  -- While an attempt runs: when another process may try.
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  last_status integer,
  last_error text,
  CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('pending', 'delivered', 'failed')),
  CONSTRAINT webhook_deliveries_ended CHECK ((state = 'pending') = (ended_at IS NULL))
);

CREATE UNIQUE INDEX webhook_deliveries_by_webhook_id ON webhook_deliveries (webhook_id);
-- What an endpoint is due, and what stands before it for the same order.
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_subject ON webhook_deliveries (endpoint_id, subject, id) WHERE state = 'pending';
-- Lists of an endpoint, newest first.
CREATE INDEX webhook_deliveries_by_give_up ON webhook_deliveries (give_up_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at) WHERE state <> 'pending';

-- What is past is news to nobody, so a sale of before counts as told. A constant is kept in the catalogue and
-- writes no row.
ALTER TABLE sales
  ADD COLUMN opening_told boolean NOT NULL DEFAULT true,
  ADD COLUMN closing_told boolean NOT NULL DEFAULT true,
  -- The total that was gone when "sold out" was told last: it is told again when there is another total.
  ADD COLUMN sold_out_total bigint;
ALTER TABLE sales ALTER COLUMN opening_told SET DEFAULT false, ALTER COLUMN closing_told SET DEFAULT false;

UPDATE sales SET opening_told = opens_at <= clock_timestamp(), closing_told = false
WHERE closes_at > clock_timestamp() AND state <> 'closed';
CREATE INDEX sales_by_untold_opening ON sales (opens_at) WHERE NOT opening_told;
CREATE INDEX sales_by_untold_closing ON sales (closes_at) WHERE NOT closing_told;
CREATE INDEX sales_by_untold_hand ON sales (id) WHERE NOT closing_told AND state = 'closed';
