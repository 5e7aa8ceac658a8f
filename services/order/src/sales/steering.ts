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
