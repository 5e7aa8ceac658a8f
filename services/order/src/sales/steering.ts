/** Under which conditions an operator's change is made. */
export interface Steering {
  /** The version that the operator saw, `If-Match`. Another means that somebody changed the sale since. */
  version?: number;
  /**
   * The instant of Postgres' clock after which nothing is changed; milliseconds. An older gateway names none.
   */
  deadline?: number;
}

/** A condition as SQL: whether the deadline has not passed. `null` has none. */
export const inTime = (parameter: string): string =>
  `(${parameter}::float8 IS NULL OR clock_timestamp() <= to_timestamp(${parameter}::float8 / 1000))`;
