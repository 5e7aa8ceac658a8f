import type { Pool, PoolClient } from '@seckill/runtime';

/** Where a partition stands before and after a transaction. */
export interface OffsetMove {
  topic: string;
  partition: number;
  /** What is stored, as far as the caller knows. */
  storedOffset: bigint;
  /** The first offset behind what the transaction stores. */
  nextOffset: bigint;
}

/**
 * Postgres has stored less than it had when it was last asked. The database was restored to an earlier state
 * meanwhile.
 */
export class OffsetBehindError extends Error {
  override readonly name = 'OffsetBehindError';
  readonly code = 'SECKILL_INTAKE_OFFSET_BEHIND';
}

/** @returns the first message of a partition that is not stored. There is none before the first. */
export async function readOffset(pool: Pool, topic: string, partition: number): Promise<bigint | undefined> {
  const { rows } = await pool.query<{ next_offset: string }>(
    'SELECT next_offset FROM intake_offsets WHERE topic = $1 AND partition = $2',
    [topic, partition],
  );
  return rows[0] && BigInt(rows[0].next_offset);
}

/** @returns the offsets of all partitions of which something is stored. */
export async function readOffsets(pool: Pool, topic: string): Promise<Map<number, bigint>> {
  const { rows } = await pool.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM intake_offsets WHERE topic = $1',
    [topic],
  );
  return new Map(rows.map(({ partition, next_offset }) => [partition, BigInt(next_offset)]));
}

/** Kafka begins elsewhere. */
export async function moveOffset(pool: Pool, topic: string, partition: number, next: bigint): Promise<void> {
  await pool.query(
    `INSERT INTO intake_offsets (topic, partition, next_offset) VALUES ($1, $2, $3)
     ON CONFLICT (topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset`,
    [topic, partition, next.toString()],
  );
}

/**
 * Keeps INV-2. A Postgres that was restored under our feet would otherwise take these chunks, and would
 * never hear of what it has forgotten.
 * @throws OffsetBehindError
 */
export async function assertStored(client: PoolClient, moves: OffsetMove[]): Promise<void> {
  const { rows } = await client.query<{ partition: number; next_offset: string; stored_offset: string }>(
    `SELECT chunk.partition, coalesce(next_offset, 0) AS next_offset, stored_offset
     FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS chunk (topic, partition, stored_offset)
     LEFT JOIN intake_offsets USING (topic, partition)
     WHERE coalesce(next_offset, 0) < stored_offset`,
    columnsOf(moves),
  );
  const [behind] = rows;
  if (behind === undefined) return;
  const { partition, next_offset, stored_offset } = behind;
  throw new OffsetBehindError(`partition ${partition} is stored up to ${next_offset}, not ${stored_offset}`);
}

/**
 * Moves an offset back only from where the caller knows it to stand (a topic made anew). A consumer that
 * slept while its partition went to another stores a chunk from before. The other consumer would take the
 * lower offset for a Postgres that was restored, and every sale would be loaded anew.
 * @returns the instant by PostgreSQL's clock; milliseconds.
 */
export async function writeOffsets(client: PoolClient, moves: OffsetMove[]): Promise<number> {
  const { rows } = await client.query<{ now: number }>(
    `WITH chunk AS (
       SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
         AS chunk (topic, partition, stored_offset, next_offset)
     ), moved AS (
       UPDATE intake_offsets SET next_offset = chunk.next_offset FROM chunk
       WHERE intake_offsets.topic = chunk.topic AND intake_offsets.partition = chunk.partition
         AND (intake_offsets.next_offset = chunk.stored_offset OR intake_offsets.next_offset < chunk.next_offset)
     ), added AS (
       INSERT INTO intake_offsets (topic, partition, next_offset) SELECT topic, partition, next_offset FROM chunk
       ON CONFLICT (topic, partition) DO NOTHING
     )
     SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`,
    [...columnsOf(moves), moves.map(({ nextOffset }) => nextOffset.toString())],
  );
  return rows[0]?.now ?? Number.NaN;
}

function columnsOf(moves: OffsetMove[]): [string[], number[], string[]] {
  return [
    moves.map(({ topic }) => topic),
    moves.map(({ partition }) => partition),
    moves.map(({ storedOffset }) => storedOffset.toString()),
  ];
}
