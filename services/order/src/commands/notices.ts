import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { KeptNotice } from '@seckill/contracts';
import {
  createLogger,
  createPool,
  createRegistry,
  flag,
  formatTable,
  inputFile,
  oneOf,
  print,
  runCommand,
  stackName,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { createSharedMetrics } from '../metrics.ts';
import { Notices } from '../payments/notices.ts';
import { Payments } from '../payments/payments.ts';
import { findEngines, forPerson } from './command.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, PAGE_OPTIONS, readId, reference, refuseOthers } from './list-options.ts';

const HELP = `Usage: npm run notices -- <command> [options]
Payment notices that were signed and could not be understood, with the bytes as they came. Each is money.

  list                        those that wait for a person, oldest first
  show ID                     one of them, with its bytes
  replay ID                   reads it again and applies it, after the software learned to understand it
  replay ID --body FILE       applies what FILE says in its place: the same payment, as you know it was meant
  done ID --reference R       you dealt with the money elsewhere, and R tells where

  --state STATE   list: kept (default), replayed or done
  --since INSTANT list: received from then on, as 2026-11-22T12:00:00Z
  --until INSTANT list: received before then
  --limit N       list: so many, 1 to ${LIMIT_MAX} (default ${LIMIT_DEFAULT}); the cursor of the next page is told
  --cursor C      list: the page behind this cursor
  --json          answers as JSON; the bytes in base64
  --name NAME     database of .run/NAME/stack.json; without it DATABASE_URL, or else the stack "default"
                  (--stack is the same)
  --help          this text

A replay may be repeated: money counts once, and the repeat tells what the first one did.
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = {
  state: oneOf(['kept', 'replayed', 'done']),
  ...PAGE_OPTIONS,
  body: inputFile,
  reference,
  json: flag,
  name: stackName,
};

/** The options that each command heeds. */
const COMMANDS = {
  list: ['state', 'since', 'until', 'limit', 'cursor'],
  show: [],
  replay: ['body'],
  done: ['reference'],
};

type Given = Values<typeof OPTIONS>;
type Work = (notices: Notices) => Promise<void>;

/** Everything that is wrong about the words is told before anything is done. */
function readWork(values: Given, [command = 'nothing', word]: string[]): Work {
  if (!Object.hasOwn(COMMANDS, command)) {
    throw new UsageError(`one of ${Object.keys(COMMANDS).join(', ')} is needed, met ${command}`);
  }
  const known = command as keyof typeof COMMANDS;
  refuseOthers(known, values, COMMANDS[known]);
  if (known === 'list') {
    if (word !== undefined) throw new UsageError(`list takes no ${word}`);
    return (notices) => list(notices, values);
  }
  const id = readId(word);
  if (known === 'show') return (notices) => show(notices, id, values.json === true);
  if (known === 'replay') {
    const body = values.body === undefined ? undefined : readFileSync(values.body);
    return async (notices) => {
      const notice = await notices.replay(id, body);
      tell(notice, values, `replayed: notice ${id}, ${notice.result ?? ''}`);
    };
  }
  const wanted = values.reference;
  if (wanted === undefined) throw new UsageError('done wants --reference');
  return async (notices) => {
    tell(await notices.done(id, wanted), values, `done: notice ${id}, reference ${wanted}`);
  };
}

async function list(notices: Notices, values: Given): Promise<void> {
  const { state = 'kept', since, until, limit = LIMIT_DEFAULT, cursor } = values;
  const page = await notices.list({ state, since, until, limit, cursor });
  if (values.json === true) {
    print(JSON.stringify(page, null, 2));
    return;
  }
  if (page.data.length === 0) print(state === 'kept' ? 'no notices wait' : `no notices are ${state}`);
  else print(formatTable([['id', 'received', 'sent', 'webhook', 'why'], ...page.data.map(toRow)]));
  if (page.nextCursor !== undefined) print(`more: --cursor ${page.nextCursor}`);
}

function toRow({ id, receivedAt, deliveries, webhookId, reason }: KeptNotice): string[] {
  return [id, receivedAt, String(deliveries), toLine(webhookId).slice(0, 40), toLine(reason).slice(0, 120)];
}

/** What a stranger chose must not write to the terminal of a person. */
const toLine = (text: string) => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ');

async function show(notices: Notices, id: string, isJson: boolean): Promise<void> {
  const notice = await notices.read(id);
  const { body, ...rest } = notice;
  const rows = Object.entries(rest).map(([name, value]) => [name, toLine(String(value))]);
  const text = Buffer.from(body, 'base64').toString();
  const shown = `${formatTable(rows)}\n\n${text.replace(/[^\P{Cc}\n\t]/gu, '\u{fffd}')}`;
  print(isJson ? JSON.stringify(notice, null, 2) : shown);
}

function tell(notice: KeptNotice, { json }: Given, words: string): void {
  print(json === true ? JSON.stringify(notice, null, 2) : words);
}

async function main(values: Given, words: string[]): Promise<undefined> {
  const work = readWork(values, words);
  const logger = createLogger('notices', 'silent');
  const pool = createPool(findEngines(values.name).databaseUrl(), logger, { max: 2 });
  // A running service finds by itself what a replay leaves in the outbox, and late money.
  const wake = () => undefined;
  const metrics = createSharedMetrics(createRegistry());
  const deps = { pool, wake, wakeLateMoney: wake, logger, metrics };
  try {
    await work(new Notices({ ...deps, payments: new Payments(deps) }));
  } catch (error) {
    throw forPerson(error);
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: 2 }, main);
}
