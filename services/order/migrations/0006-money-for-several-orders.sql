-- Money: one payment may pay several orders, a refund can be marked as done, a notice that nobody understands
-- is kept, and a pick-up code names one order.

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

-- Notices that were signed and could not be understood, byte by byte.
CREATE TABLE kept_notices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- SHA-256 of webhook id and bytes: a provider's repeat is known by it. Both may be too long for an index.
  fingerprint bytea NOT NULL,
  webhook_id text NOT NULL,
  body bytea NOT NULL,
  -- Why the notice is not understood.
  reason text NOT NULL,
  deliveries integer NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT now(),
  last_received_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'kept',
  -- Since when the state is so.
  state_at timestamptz NOT NULL DEFAULT now(),
  -- What the replay answered.
  result text,
  -- What a person did instead of a replay.
  reference text,
  CONSTRAINT kept_notices_once UNIQUE (fingerprint),
  CONSTRAINT kept_notices_state_known CHECK (state IN ('kept', 'replayed', 'done')),
  CONSTRAINT kept_notices_replayed_with_result CHECK ((state = 'replayed') = (result IS NOT NULL)),
  CONSTRAINT kept_notices_done_with_reference CHECK ((state = 'done') = (reference IS NOT NULL))
);

CREATE INDEX kept_notices_by_state ON kept_notices (state, received_at, id);

-- A code is shown at a pick-up point, whatever the sale; without a pick-up point the code is the sale's.
CREATE TABLE pickup_codes (
  scope text COLLATE "C" NOT NULL,
  code text COLLATE "C" NOT NULL,
  order_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (scope, code),
  CONSTRAINT pickup_codes_one_per_order UNIQUE (order_id)
);

CREATE TEMPORARY TABLE coded_orders ON COMMIT DROP AS
  WITH points AS MATERIALIZED (
    SELECT sales.id AS sale_id, channel ->> 'id' AS channel_id, channel ->> 'pickupPointId' AS point
    FROM sales, jsonb_array_elements(sales.definition -> 'channels') AS channel
    WHERE channel ? 'pickupPointId')
  SELECT orders.id, orders.pickup_code AS code, orders.paid_at,
    COALESCE('point:' || points.point, 'sale:' || orders.sale_id) AS scope
  FROM orders LEFT JOIN points ON points.sale_id = orders.sale_id AND points.channel_id = orders.channel_id
  WHERE orders.pickup_code IS NOT NULL;

-- Of two orders with one code the first paid keeps the code.
INSERT INTO pickup_codes (scope, code, order_id)
SELECT scope, code, id FROM coded_orders ORDER BY paid_at, id
ON CONFLICT DO NOTHING;

DO $$
DECLARE
  twin record;
  digits integer;
  new_code text;
  is_free boolean;
BEGIN
  FOR twin IN
    SELECT id, scope FROM coded_orders WHERE id NOT IN (SELECT order_id FROM pickup_codes) ORDER BY paid_at, id
  LOOP
    -- Six digits at first; longer ones, up to 15, where most of the short ones are taken.
    FOR attempt IN 0..39 LOOP
      digits := LEAST(6 + attempt / 4, 15);
      new_code := lpad((('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
        % (10 ^ digits)::bigint)::text, digits, '0');
      INSERT INTO pickup_codes (scope, code, order_id) VALUES (twin.scope, new_code, twin.id)
      ON CONFLICT DO NOTHING;
      is_free := FOUND;
      EXIT WHEN is_free;
    END LOOP;
    IF NOT is_free THEN RAISE EXCEPTION 'no pick-up code is free in %', twin.scope; END IF;
    UPDATE orders SET pickup_code = new_code WHERE id = twin.id;
  END LOOP;
END $$;
