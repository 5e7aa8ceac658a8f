-- What a person has dealt with of the topic of dead letters, who says so and why. The table is one of its
-- own, because order of before reads dead_letter_replays and expects the time of a replay there.
CREATE TABLE dead_letters_done (
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  done_by text NOT NULL,
  reason text NOT NULL,
  done_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, "offset")
);
