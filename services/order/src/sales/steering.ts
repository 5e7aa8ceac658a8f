import { Problem, type PoolClient } from '@seckill/runtime';

/** Who changes a sale, and why. The audit trail keeps both. */
export interface Operator {
  /** The user id. An older gateway does not tell it. */
  by?: string;
  reason?: string;
}

/** Under which conditions an operator's change is made. */
export interface Steering extends Operator {
  /** The version that the operator saw, `If-Match`. Another means that somebody changed the sale since. */
  version?: number;
  /**
   * The instant of Postgres' clock after which nothing is changed; milliseconds. An older gateway names none.
   */
  deadline?: number;
}

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
