/** Something that a person can act on: told in one line, without a stack trace. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly code: string = 'SECKILL_COMMAND';
  /** Exit code of the process: 2 for wrong usage, 1 for everything else. */
  readonly exitCode: 1 | 2;
  constructor(message: string, exitCode: 1 | 2 = 1, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

/** What was asked for makes no sense: exit code 2. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';
  override readonly code = 'SECKILL_USAGE';
  constructor(message: string, cause?: unknown) {
    super(message, 2, cause);
  }
}
