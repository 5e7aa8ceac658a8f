import { invariant, type Pool } from '@seckill/runtime';
import type { Letter, OffsetRange } from './dead-letter-topic.ts';

/**
 * A letter has the time of the process that parked it, and a mark PostgreSQL's. Clocks that differ by more
 * have an alert.
 */
const CLOCKS_DIFFER_MS = 60_000;

type LetterPosition = Pick<Letter, 'partition' | 'offset'>;

/** When letters were replayed. */
export class ReplayMarks {
  readonly #marks: ReadonlyMap<string, Date>;

  constructor(marks: ReadonlyMap<string, Date> = new Map()) {
    this.#marks = marks;
  }

  /**
   * Undefined: nobody replayed the letter. A mark that is older than the letter is of another one, which had
   * the same offset before the topic was made anew.
   */
  find({ partition, offset, parkedAt }: LetterPosition & Pick<Letter, 'parkedAt'>): Date | undefined {
    const at = this.#marks.get(`${partition}-${offset}`);
    return at === undefined || at.getTime() < parkedAt.getTime() - CLOCKS_DIFFER_MS ? undefined : at;
  }
}

/** The marks of the letters that there are: those that Kafka has deleted would add up for ever. */
export async function readReplays(pool: Pool, ranges: readonly OffsetRange[]): Promise<ReplayMarks> {
  const { rows } = await pool.query<{ partition: number; offset: string; replayed_at: Date }>(
    `SELECT partition, "offset", replayed_at FROM dead_letter_replays
     JOIN unnest($1::integer[], $2::bigint[], $3::bigint[]) AS range (partition, low, high) USING (partition)
     WHERE "offset" >= low AND "offset" < high`,
    [ranges.map(({ partition }) => partition), ranges.map(({ low }) => low), ranges.map(({ high }) => high)],
  );
  const marks = rows.map(
    ({ partition, offset, replayed_at }) => [`${partition}-${offset}`, replayed_at] as const,
  );
  return new ReplayMarks(new Map(marks));
}

/** @returns when it was marked. */
export async function markReplayed(pool: Pool, { partition, offset }: LetterPosition): Promise<Date> {
  const { rows } = await pool.query<{ replayed_at: Date }>(
    `INSERT INTO dead_letter_replays (partition, "offset") VALUES ($1, $2)
     ON CONFLICT (partition, "offset") DO UPDATE SET replayed_at = now() RETURNING replayed_at`,
    [partition, offset.toString()],
  );
  const [row] = rows;
  invariant(row !== undefined, 'an upsert answers its row');
  return row.replayed_at;
}
