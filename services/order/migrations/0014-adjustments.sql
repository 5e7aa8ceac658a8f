-- Units that operators take out of an item. All statements are quick on any number of rows. The last one
-- locks the sales for a moment.

-- A row is decided when Redis has said how many units were available, and PostgreSQL has lowered the ledger
-- by as many.
CREATE TABLE adjustments (
  -- Redis knows the decision by it, so it is never used again, also not after a restore of the database.
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sale_id text COLLATE "C" NOT NULL,
  idempotency_key text NOT NULL,
  sku text COLLATE "C" NOT NULL,
  -- Units that were to be taken out.
  asked bigint NOT NULL,
  -- Units that were taken out; null: not decided yet.
  taken bigint,
  -- For the audit trail, which gets its row with the decision.
  by text,
  reason text,
  stored_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT adjustments_key_once UNIQUE (sale_id, idempotency_key),
  CONSTRAINT adjustments_taken_within_asked CHECK (asked > 0 AND taken >= 0 AND taken <= asked),
  CONSTRAINT adjustments_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id)
);
CREATE UNIQUE INDEX adjustments_one_undecided ON adjustments (sale_id, sku) WHERE taken IS NULL;

-- How often the sale's lane was let open, so that an answer of Redis from before an opening is recognised.
ALTER TABLE sales ADD COLUMN openings bigint NOT NULL DEFAULT 0;
