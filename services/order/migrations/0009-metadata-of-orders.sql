-- What a shop keeps with a reservation. `json` keeps the text as it came, so that a reservation that is
-- loaded again answers the same bytes; `jsonb` would order its members anew. A column that may be null and
-- has no default is added without a look at the rows: the lock lasts milliseconds, whatever their number.
ALTER TABLE orders ADD COLUMN metadata json;
