import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigReader } from '@seckill/runtime';

export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'SECKILL_ORDER_COMMAND';
  /** Of the process: 2 for wrong usage, 1 for everything else. */
  readonly exitCode: 1 | 2;
  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const STACK_NAME = /^[a-z0-9][a-z0-9-]{0,40}$/;

/** Where the engines are, for commands of an operator; each asks only for those it needs. */
export interface EngineUrls {
  databaseUrl: () => string;
  kafkaBrokers: () => string[];
}

/**
 * From DATABASE_URL and KAFKA_BROKERS; from a running stack of this checkout when one is named, or when neither is set.
 * @throws CommandError; each of the two functions throws ConfigError when its variable is missing or wrong.
 */
export function findEngines(
  stack: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): EngineUrls {
  const names = ['DATABASE_URL', 'DATABASE_URL_FILE', 'KAFKA_BROKERS'];
  const isConfigured = names.some((name) => (environment[name] ?? '') !== '');
  if (stack !== undefined || !isConfigured) return readStack(stack ?? 'default');
  const read = <Value>(take: (reader: ConfigReader) => Value): Value => {
    const reader = new ConfigReader(environment);
    const value = take(reader);
    reader.done();
    return value;
  };
  return {
    databaseUrl: () => read((reader) => reader.url('DATABASE_URL', ['postgres', 'postgresql'])),
    kafkaBrokers: () => read((reader) => reader.list('KAFKA_BROKERS')),
  };
}

function readStack(name: string): EngineUrls {
  if (!STACK_NAME.test(name)) throw new CommandError(`no stack can be named "${name}"`, 2);
  const file = fileURLToPath(new URL(`../../../.run/${name}/stack.json`, import.meta.url));
  try {
    const { postgres, kafka } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    if (typeof postgres === 'string' && typeof kafka === 'string') {
      return { databaseUrl: () => postgres, kafkaBrokers: () => kafka.split(',') };
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code !== 'ENOENT') throw error;
  }
  throw new CommandError(
    `no stack named "${name}" is running; start one with npm start, or set DATABASE_URL and KAFKA_BROKERS`,
  );
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
