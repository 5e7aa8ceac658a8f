-- What operators change of a sale: who, when, what and why. All statements are quick on any number of rows.
-- The last one locks the sales for a moment.

-- Rows are only ever inserted, in the transaction of the change that they tell of.
CREATE TABLE sale_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sale_id text COLLATE "C" NOT NULL,
  -- The version that the change made.
  version bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- User id of the operator; null where an older gateway did not tell it.
  by text,
  action text NOT NULL,
  reason text,
  -- The values that were changed, as they were and as they are since.
  before jsonb NOT NULL,
  after jsonb NOT NULL,
  CONSTRAINT sale_changes_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id)
);
CREATE INDEX sale_changes_by_sale ON sale_changes (sale_id, id);

-- The loosest limits that the sale ever had, in the shape of its definition; null: those of the definition.
-- Buyers may have more than a limit that was lowered later (INV-6).
ALTER TABLE sales ADD COLUMN loosest_limits jsonb;
