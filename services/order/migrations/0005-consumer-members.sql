-- Members of a consumer group tell here that they live, so that the partitions of one that was killed are
-- free within three seconds instead of Kafka's session time of ten. A few rows, written over and over: half a
-- page is kept free, so that each write stays within its page.
CREATE TABLE consumer_members (
  group_id  text        NOT NULL,
  member_id text        NOT NULL,
  told_at   timestamptz NOT NULL,
  PRIMARY KEY (group_id, member_id)
) WITH (fillfactor = 50);
