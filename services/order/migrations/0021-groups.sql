-- Group purchases: fewer units than a minimum when the sale closes, and they fail. No statement
-- reads the rows there are; the last one locks the returns for a moment.

-- One row for each group of a sale, written with the sale or with the channel, and decided once.
CREATE TABLE sale_groups (
  sale_id text COLLATE "C" NOT NULL,
  -- '': the sale's own group, of all orders whose channel has none.
  channel_id text COLLATE "C" NOT NULL,
  -- Units.
  minimum bigint NOT NULL,
  state text NOT NULL DEFAULT 'waiting',
  -- What was pending or paid, and had not come back, when it was decided.
  units bigint,
  decided_at timestamptz,
  -- The transaction that decided. Transactions from before it may have seen the group as waiting.
  decided_in xid8,
  -- Failed: since when every order of it has ended, and all of its money is due for refund.
  ended_at timestamptz,
  PRIMARY KEY (sale_id, channel_id),
  CONSTRAINT sale_groups_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id),
  CONSTRAINT sale_groups_state_known CHECK (state IN ('waiting', 'reached', 'failed')),
  CONSTRAINT sale_groups_decided CHECK ((state = 'waiting') = (decided_at IS NULL)),
  CONSTRAINT sale_groups_ended_when_failed CHECK (ended_at IS NULL OR state = 'failed')
);
CREATE INDEX sale_groups_by_waiting ON sale_groups (sale_id) WHERE state = 'waiting';
CREATE INDEX sale_groups_by_failed ON sale_groups (sale_id) WHERE state = 'failed' AND ended_at IS NULL;

-- Not an operator's return: the order's group failed. A constant is kept in the catalogue and writes no row.
ALTER TABLE returns ADD COLUMN is_of_failed_group boolean NOT NULL DEFAULT false;
