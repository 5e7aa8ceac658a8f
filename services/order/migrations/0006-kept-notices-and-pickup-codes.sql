-- A notice that nobody understands is kept, and a pick-up code names one order. Payments are not touched
-- here: the codes of a large installation take some seconds, and notices go on meanwhile.

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

-- Without statistics the search below would look through all codes for each order.
ANALYZE coded_orders;
ANALYZE pickup_codes;

DO $$
DECLARE
  twin record;
  digits integer;
  new_code text;
  is_free boolean;
BEGIN
  FOR twin IN
    SELECT id, scope FROM coded_orders
    WHERE NOT EXISTS (SELECT FROM pickup_codes WHERE pickup_codes.order_id = coded_orders.id)
    ORDER BY paid_at, id
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
