-- Orders are handed out, and may move to another pick-up point. Nullable columns without a default change the
-- catalogue alone: the table is locked for a moment, whatever its size.

ALTER TABLE orders
  -- The channel that hands the order out; null: the one that it came through (decision 84).
  ADD COLUMN pickup_channel_id text,
  ADD COLUMN picked_up_at timestamptz,
  -- User id of the operator who handed it out.
  ADD COLUMN picked_up_by text;
