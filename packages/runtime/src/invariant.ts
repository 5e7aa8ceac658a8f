/**
 * Our own bug (D14). The error is never caught and retried. Such an error ends the process, which restarts
 * from durable state.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  readonly code = 'SECKILL_INVARIANT';
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
