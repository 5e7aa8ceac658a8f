import { invariant, type Pool } from '@seckill/runtime';
import type { Letter, OffsetRange } from './dead-letter-topic.ts';

/**
 * A letter has the time of the process that parked it, and a mark PostgreSQL's. Clocks that differ by more
 * have an alert.
 */
const CLOCKS_DIFFER_MS = 60_000;

type LetterPosition = Pick<Letter, 'partition' | 'offset'>;
type TimedLetter = LetterPosition & Pick<Letter, 'parkedAt'>;

/** Who says that nothing is left to do, and why. */
export interface Done {
  by: string;
  reason: string;
}

/** What became of a letter. */
export interface LetterMark {
  replayedAt?: Date;
  done?: Done & { at: Date };
}

/** What became of letters. */
export class LetterMarks {
  readonly #marks: ReadonlyMap<string, LetterMark>;

  constructor(marks: ReadonlyMap<string, LetterMark> = new Map()) {
    this.#marks = marks;
  }

  /**
   * Undefined: the letter waits. A mark that is older than the letter is of another one, which had the same
   * offset before the topic was made anew.
   */
  find({ partition, offset, parkedAt }: TimedLetter): LetterMark | undefined {
    const { replayedAt, done } = this.#marks.get(`${partition}-${offset}`) ?? {};
    const isOf = (at: Date) => at.getTime() >= oldestMarkOf(parkedAt).getTime();
    const mark = {
      ...(replayedAt !== undefined && isOf(replayedAt) ? { replayedAt } : {}),
      ...(done !== undefined && isOf(done.at) ? { done } : {}),
    };
    return Object.keys(mark).length === 0 ? undefined : mark;
  }
}

const oldestMarkOf = (parkedAt: Date) => new Date(parkedAt.getTime() - CLOCKS_DIFFER_MS);

interface MarkRow {
  partition: number;
  offset: string;
  replayed_at: Date | null;
  done_at: Date | null;
  done_by: string | null;
  reason: string | null;
}

/** The marks of the letters that there are: those that Kafka has deleted would add up for ever. */
export async function readMarks(pool: Pool, ranges: readonly OffsetRange[]): Promise<LetterMarks> {
  const { rows } = await pool.query<MarkRow>(
    `SELECT partition, "offset", replayed_at, done_at, done_by, reason
     FROM dead_letter_replays FULL JOIN dead_letters_done USING (partition, "offset")
     JOIN unnest($1::integer[], $2::bigint[], $3::bigint[]) AS range (partition, low, high) USING (partition)
     WHERE "offset" >= low AND "offset" < high`,
    [ranges.map(({ partition }) => partition), ranges.map(({ low }) => low), ranges.map(({ high }) => high)],
  );
  return new LetterMarks(new Map(rows.map((row) => [`${row.partition}-${row.offset}`, toMark(row)])));
}

function toMark({ replayed_at, done_at, done_by, reason }: MarkRow): LetterMark {
  return {
    ...(replayed_at === null ? {} : { replayedAt: replayed_at }),
    ...(done_at === null ? {} : { done: { at: done_at, by: done_by ?? '', reason: reason ?? '' } }),
  };
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

/** Who says so first is kept. A mark of another letter, which is older than this one, gives way. */
export async function markDone(
  pool: Pool,
  { partition, offset, parkedAt }: TimedLetter,
  { by, reason }: Done,
): Promise<Done & { at: Date }> {
  const place = [partition, offset.toString()];
  await pool.query(
    `INSERT INTO dead_letters_done AS mark (partition, "offset", done_by, reason) VALUES ($1, $2, $3, $4)
     ON CONFLICT (partition, "offset") DO UPDATE
       SET done_by = excluded.done_by, reason = excluded.reason, done_at = now() WHERE mark.done_at < $5`,
    [...place, by, reason, oldestMarkOf(parkedAt)],
  );
  const { rows } = await pool.query<{ by: string; reason: string; at: Date }>(
    'SELECT done_by AS by, reason, done_at AS at FROM dead_letters_done WHERE partition = $1 AND "offset" = $2',
    place,
  );
  const [row] = rows;
  invariant(row !== undefined, 'no mark is ever removed');
  return row;
}
