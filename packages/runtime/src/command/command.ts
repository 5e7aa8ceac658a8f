/** One way to run a command: help, wrong usage, failure and success look the same in all of them. */
import { inspect } from 'node:util';
import { CommandError } from './command-error.ts';
import { parseCommandLine, type CommandLine, type Parsed } from './command-line.ts';
import type { Options, Values } from './command-options.ts';

/**
 * Runs a command to its end and ends the process. Exit code: what `main` returns (nothing is 0); 2 for wrong
 * usage, told in one line; 1 for any other failure, told in its own words, with a stack trace only where the
 * fault is ours.
 */
export async function runCommand<Given extends Options>(
  line: CommandLine<Given>,
  main: (values: Values<Given>, words: string[]) => Promise<number | undefined>,
): Promise<void> {
  // Whoever reads us may stop reading, as `head` does.
  process.stdout.on('error', () => process.exit(1));
  process.exit(await exitCodeOf(line, main));
}

async function exitCodeOf<Given extends Options>(
  line: CommandLine<Given>,
  main: (values: Values<Given>, words: string[]) => Promise<number | undefined>,
): Promise<number> {
  try {
    const parsed: Parsed<Given> | undefined = parseCommandLine(line, process.argv.slice(2));
    if (parsed === undefined) {
      print(line.help.trimEnd());
      return 0;
    }
    return (await main(parsed.values, parsed.words)) ?? 0;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) {
      process.stderr.write(`${oneLine(`${error.message}; see --help`)}\n`);
      return 2;
    }
    process.stderr.write(`${isOurFault(error) ? inspect(error) : textOf(error)}\n`);
    return 1;
  }
}

/** What was typed is repeated in messages, and may hold line ends. */
const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** A fault of the code, not of the world. `fetch` reports the world as TypeError, with a cause. */
function isOurFault(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  const isBug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return error.name === 'InvariantError' || (isBug && error.cause === undefined && !('code' in error));
}

/** Node reports a host with several addresses as one error without a message. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((one) => textOf(one)).join('; ');
  }
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : error.message;
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
