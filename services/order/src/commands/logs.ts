import { accessSync, constants, createReadStream, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ReservationId } from '@seckill/contracts';
import {
  CommandError,
  createLogger,
  createPool,
  fitting,
  flag,
  formatTable,
  print,
  Problem,
  runCommand,
  stackName,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { readStory, type Event } from '../orders/order-story.ts';
import { findEngines } from './command.ts';

const HELP = `Usage: npm run logs -- --order ID [options] [FILE…]
Tells what became of an order, oldest first: what PostgreSQL knows of it, and the lines that the services logged about
it. A line is about the order if it has its id, or the id of its trace if it was traced (docs/operating/tracing.md).

  FILE            a file of log lines, up to 50; - is standard input, as in: kubectl logs … | npm run logs -- --order ID -
                  Without a file: those in .run/NAME, if a stack is meant
  --order ID      the id of the order, as the reservation was answered
  --json          answers as JSON
  --name NAME     database and files of .run/NAME; without it DATABASE_URL, or else the stack "default"
                  (--stack is the same)
  --help          this text

Of more than 1,000 lines of log those are told that come first, file by file.
Exit code: 0 told, 1 failed or no such order, 2 wrong usage.`;

const OPTIONS = { order: fitting(ReservationId, 'the id of a reservation'), json: flag, name: stackName };
const FILES_MAX = 50;
const LINES_MAX = 1_000;
const RUN_FOLDER = fileURLToPath(new URL('../../../../.run', import.meta.url));

interface Line {
  time?: unknown;
  name?: unknown;
  role?: unknown;
  msg?: unknown;
  [field: string]: unknown;
}

/** Fields that every line has, and that say nothing of the order. */
const COMMON = new Set(['level', 'time', 'pid', 'hostname', 'name', 'role', 'msg']);

/** @throws UsageError for what is no file that we may read. */
function checkLog(file: string): void {
  if (file === '-') return;
  // A pipe is as good: npm run logs -- --order ID <(kubectl logs …).
  const status = statSync(file, { throwIfNoEntry: false });
  if (status?.isFile() !== true && status?.isFIFO() !== true) throw new UsageError(`${file} is no file`);
  try {
    accessSync(file, constants.R_OK);
  } catch {
    throw new UsageError(`${file} cannot be read`);
  }
}

const openLog = (file: string): Readable => (file === '-' ? process.stdin : createReadStream(file));

function filesOf(stack: string | undefined): string[] {
  const isConfigured = ['DATABASE_URL', 'DATABASE_URL_FILE'].some((name) => (process.env[name] ?? '') !== '');
  if (stack === undefined && isConfigured) return [];
  const folder = join(RUN_FOLDER, stack ?? 'default');
  return readdirSync(folder)
    .filter((file) => /^(gateway|stock|order).*\.log$/.test(file))
    .map((file) => join(folder, file));
}

async function readLines(files: string[], names: string[]): Promise<Event[]> {
  const events: Event[] = [];
  for (const file of files) {
    for await (const text of createInterface({ input: openLog(file), crlfDelay: Infinity })) {
      if (!names.some((name) => text.includes(name))) continue;
      const event = toEvent(text);
      if (event !== undefined) events.push(event);
      if (events.length === LINES_MAX) return events;
    }
  }
  return events;
}

/** What is not a line of ours, such as a stack trace between two of them, tells no time. */
function toEvent(text: string): Event | undefined {
  let line: Line;
  try {
    line = JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
  const { time, name, role, msg, ...rest } = line;
  if (typeof time !== 'number' || typeof msg !== 'string') return undefined;
  const at = new Date(time);
  // Another program counts in nanoseconds, say.
  if (Number.isNaN(at.getTime())) return undefined;
  const facts = Object.entries(rest).filter(([field]) => !COMMON.has(field));
  const told = facts.map(
    ([field, value]) => `${field}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return {
    at,
    from: [name, role].filter((one) => typeof one === 'string').join(' '),
    what: [msg, ...told].join(' ').replace(/[\p{Cc}\p{Cf}\s]+/gu, ' '),
  };
}

async function main({ order, json, name }: Values<typeof OPTIONS>, words: string[]): Promise<undefined> {
  if (order === undefined) throw new UsageError('--order is needed');
  for (const file of words) checkLog(file);
  const engines = findEngines(name);
  const pool = createPool(engines.databaseUrl(), createLogger('logs', 'silent'), { max: 1 });
  try {
    const { events, names } = await readStory(pool, order);
    const files = words.length > 0 ? words : filesOf(name);
    const all = [...events, ...(await readLines(files, names))].sort(
      (a, b) => a.at.getTime() - b.at.getTime(),
    );
    if (json === true) print(JSON.stringify(all, null, 2));
    else print(formatTable(all.map(({ at, from, what }) => [at.toISOString(), from, what])));
  } catch (error) {
    throw error instanceof Problem
      ? new CommandError(`no row of ${order}: the sale, or the id, is another's`)
      : error;
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: FILES_MAX }, main);
}
