-- What migration 12 added is held against the payments of before. Reads and writes go on while the rows are
-- read for the constraint; for the index, which most rows are not in, writers wait.

ALTER TABLE payments VALIDATE CONSTRAINT payments_result_known;
CREATE INDEX payments_by_retaking ON payments (order_id) WHERE result = 'retaking';
