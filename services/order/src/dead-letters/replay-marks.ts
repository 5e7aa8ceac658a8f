import { invariant, type Pool } from '@seckill/runtime';
import type { Letter } from './dead-letter-topic.ts';

/** The letters that were replayed, by name, with the time. */
export async function readReplays(pool: Pool): Promise<Map<string, Date>> {
  const { rows } = await pool.query<{ partition: number; offset: string; replayed_at: Date }>(
    'SELECT partition, "offset", replayed_at FROM dead_letter_replays',
  );
  return new Map(rows.map(({ partition, offset, replayed_at }) => [`${partition}-${offset}`, replayed_at]));
}

/** @returns when it was marked. */
export async function markReplayed(
  pool: Pool,
  { partition, offset }: Pick<Letter, 'partition' | 'offset'>,
): Promise<Date> {
  const { rows } = await pool.query<{ replayed_at: Date }>(
    `INSERT INTO dead_letter_replays (partition, "offset") VALUES ($1, $2)
     ON CONFLICT (partition, "offset") DO UPDATE SET replayed_at = now() RETURNING replayed_at`,
    [partition, offset.toString()],
  );
  const [row] = rows;
  invariant(row !== undefined, 'an upsert answers its row');
  return row.replayed_at;
}
