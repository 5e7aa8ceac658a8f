-- Of the topic of dead letters: what a person has dealt with otherwise than by a replay, who says so and why. A
-- table of its own, because order of before reads dead_letter_replays and expects a time of a replay there.
CREATE TABLE dead_letters_done (
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  done_by text NOT NULL,
  reason text NOT NULL,
  done_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, "offset")
);
