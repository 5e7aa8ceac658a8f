-- Late money may take the units of its expired order again. Locks: payments for a moment; what reads all of
-- its rows is a migration of its own.

-- Each time that Redis took the units of an expired order again, by the sequence that it took for that: the
-- sequences of a lane are these and those of its orders. No foreign key to orders: a message that names an
-- unknown order is kept here too, so that its sequence is no gap.
CREATE TABLE retakes (
  sale_id text COLLATE "C" NOT NULL,
  lane integer NOT NULL,
  epoch bigint NOT NULL,
  sequence bigint NOT NULL,
  order_id text COLLATE "C" NOT NULL,
  -- How this hold ended: paid with the order; expired, its units went back; refused, they did not exist.
  verdict text NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sale_id, lane, epoch, sequence),
  CONSTRAINT retakes_verdict_known CHECK (verdict IN ('paid', 'expired', 'refused'))
);
CREATE INDEX retakes_by_order ON retakes (order_id);

-- retaking: Redis is asked for the units. It is paid or due for refund within minutes.
ALTER TABLE payments DROP CONSTRAINT payments_result_known,
  ADD CONSTRAINT payments_result_known CHECK (result IN ('paid', 'refund_due', 'recorded', 'retaking')) NOT VALID;
