-- The contact of a reservation, sealed with a key of the operator, or `erased`. A column that may be null and
-- has no default is added without a look at the rows: the lock lasts milliseconds, whatever their number.
ALTER TABLE orders ADD COLUMN contact text;
