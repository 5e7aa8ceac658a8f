-- Loss of Redis made harmless (recovery.md): which epoch the ledger stands at, and why an epoch is not to be trusted.

-- The sale's own, set on its rows by the transaction that raises it: the intake holds these rows anyway, and so learns
-- whether an order comes from before the last snapshot.
ALTER TABLE ledger ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
UPDATE ledger SET epoch = sales.epoch FROM sales WHERE sales.id = ledger.sale_id;

-- What Redis sold under this epoch and those before it cannot be trusted: its lanes are loaded anew. Rows are only ever
-- inserted, so that whoever raises a doubt needs no lock on the sale.
CREATE TABLE doubts (
  sale_id text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  reason text NOT NULL,
  raised_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sale_id, epoch),
  CONSTRAINT doubts_of_known_sale FOREIGN KEY (sale_id) REFERENCES sales (id),
  CONSTRAINT doubts_reason_known CHECK (reason IN ('refused', 'late_row', 'restored'))
);
