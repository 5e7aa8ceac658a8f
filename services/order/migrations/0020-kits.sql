-- What a buyer bought, where a kit is among it. `lines` has the units that were taken, those of a kit's
-- parts: ledger, settlements, limits and audits count by them. Null: both are the same. A nullable column
-- without a default changes the catalogue alone.
ALTER TABLE orders ADD COLUMN bought jsonb;
