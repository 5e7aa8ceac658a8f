import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const STACK_NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;

export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'SECKILL_COMMAND';
  /** Of the process: 2 for wrong usage, 1 for everything else. */
  readonly exitCode: 1 | 2;
  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * `.run/<name>/stack.json` of a stack of this checkout (contract.md).
 * @throws CommandError when no such stack runs, or it lacks one of the fields.
 */
export function readStackFile<Field extends string>(
  name: string,
  fields: readonly Field[],
): Record<Field, string> {
  if (!STACK_NAME.test(name)) throw new CommandError(`no stack can be named "${name}"`, 2);
  const file = fileURLToPath(new URL(`../../../.run/${name}/stack.json`, import.meta.url));
  try {
    const info = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const missing = fields.filter((field) => typeof info[field] !== 'string');
    if (missing.length === 0) return info as Record<Field, string>;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code !== 'ENOENT') throw error;
  }
  throw new CommandError(`no stack named "${name}" is running; start one with npm start`);
}

/** Runs a command of an operator to its end, and tells what went wrong in one line. */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const isUsage = error instanceof Error && 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code));
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    if (isUsage) process.exitCode = 2;
    else process.exitCode = error instanceof CommandError ? error.exitCode : 1;
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Columns of equal width, for people. */
export function formatTable(rows: string[][]): string {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, index) => Math.max(most[index] ?? 0, cell.length)),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
