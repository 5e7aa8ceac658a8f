/** The instant of Postgres' clock after which nothing is changed, since the caller waits no longer. */
import { Problem, type PoolClient } from '@seckill/runtime';

/** Judged under the lock of what is changed: to wait for it may have taken all of the time. */
export async function isInTime(
  client: PoolClient,
  { deadline }: { deadline?: number | undefined },
): Promise<boolean> {
  const { rows } = await client.query<{ is_in_time: boolean }>(`SELECT ${inTime('$1')} AS is_in_time`, [
    deadline ?? null,
  ]);
  return rows[0]?.is_in_time === true;
}

/** What whoever comes late is told: nothing happened. */
export async function assertInTime(
  client: PoolClient,
  deadlined: { deadline?: number | undefined },
): Promise<void> {
  if (!(await isInTime(client, deadlined))) throw new Problem('overloaded');
}

/** A condition as SQL: whether the deadline has not passed. `null` has none. */
export const inTime = (parameter: string): string =>
  `(${parameter}::float8 IS NULL OR clock_timestamp() <= to_timestamp(${parameter}::float8 / 1000))`;
