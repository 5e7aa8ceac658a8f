/** What all commands of this folder share: one line for what a person can act on, a stack trace for our own bugs. */
import { StackError } from './errors.ts';

/** What was asked for makes no sense: told in one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'SECKILL_USAGE';
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
}

/** Exit code: that of `main`; 2 for wrong options; 1 for any other failure. */
export async function runCli(main: () => Promise<number>): Promise<void> {
  try {
    process.exit(await main());
  } catch (error) {
    if (isUsage(error)) {
      console.error(`${error.message}\nSee --help.`);
      process.exit(2);
    }
    console.error(error instanceof StackError ? error.message : error);
    process.exit(1);
  }
}
