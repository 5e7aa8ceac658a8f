-- INV-6 for orders that Redis did not count: those of an older epoch, and those sold under an epoch that lacks such one.

-- The newest epoch whose snapshot lacks an order; null: none does. On the ledger, whose rows the intake holds anyway: it
-- learns without another query, and under their lock, whether Redis has judged the limits.
ALTER TABLE ledger ADD COLUMN late_epoch bigint;

ALTER TABLE orders DROP CONSTRAINT orders_refusal_known,
  ADD CONSTRAINT orders_refusal_known CHECK (refusal IN ('ledger', 'limit', 'key_clash', 'sequence_fork'));
