import { realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { DeadLetterDone, type ParkedMessage } from '@seckill/contracts';
import {
  CommandError,
  createKafka,
  createLogger,
  createPool,
  fitting,
  flag,
  formatTable,
  print,
  runCommand,
  stackName,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { DeadLetters } from '../dead-letters/dead-letters.ts';
import { findEngines, forPerson } from './command.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, PAGE_OPTIONS, refuseOthers } from './list-options.ts';

const HELP = `Usage: npm run dead-letters -- <command> [options]
Messages that a service could not understand or store, kept in the topic seckill.dead-letters.

  list                          those that wait for a person, oldest first
  show <partition>-<offset>     one of them, with the message in it
  replay <partition>-<offset>   sends the original message again, to where it was met
  replay --all                  the same for all that wait
  done <partition>-<offset> --reason TEXT
                                you dealt with it otherwise: it waits no more, and who, when and why stay with it

  --all-states    list: replayed ones and those that are done, too
  --since INSTANT list: parked from then on, as 2026-11-22T12:00:00Z
  --until INSTANT list: parked before then
  --limit N       list: so many, 1 to ${LIMIT_MAX} (default ${LIMIT_DEFAULT}); the cursor of the next page is told
  --cursor C      list: the page behind this cursor
  --reason TEXT   done: why, 1 to 200 characters
  --json          answers as JSON
  --name NAME     engines of .run/NAME/stack.json; without it DATABASE_URL and KAFKA_BROKERS, or else the stack "default"
                  (--stack is the same)
  --help          this text

Replaying is safe: a message that was stored already changes nothing. One that fails again comes back as a new letter.
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const reason = fitting(DeadLetterDone.properties.reason, '1 to 200 characters of one line');
const OPTIONS = { all: flag, 'all-states': flag, ...PAGE_OPTIONS, reason, json: flag, name: stackName };

/** The options that each command heeds. */
const COMMANDS = {
  list: ['all-states', 'since', 'until', 'limit', 'cursor'],
  show: [],
  replay: ['all'],
  done: ['reason'],
};

type Given = Values<typeof OPTIONS>;

/** @throws UsageError when it cannot be the name of a letter. */
function parseLetterId(text: string | undefined): string {
  if (!/^\d{1,5}-\d{1,18}$/.test(text ?? '')) {
    throw new UsageError(`expected <partition>-<offset> as list shows it, met ${text ?? 'nothing'}`);
  }
  // As Kafka writes the numbers.
  return (text ?? '')
    .split('-')
    .map((number) => String(BigInt(number)))
    .join('-');
}

async function list(letters: DeadLetters, values: Given): Promise<void> {
  const { since, until, limit = LIMIT_DEFAULT, cursor } = values;
  const isAll = values['all-states'] === true;
  const page = await letters.list({ state: isAll ? undefined : 'waiting', since, until, limit, cursor });
  if (values.json === true) {
    print(JSON.stringify(page, null, 2));
    return;
  }
  if (page.data.length === 0) print(isAll ? 'no dead letters' : 'no dead letters wait');
  else print(formatTable([['id', 'state', 'parked', 'message', 'error'], ...page.data.map(toRow)]));
  if (page.nextCursor !== undefined) print(`more: --cursor ${page.nextCursor}`);
}

function toRow({ id, state, parkedAt, topic, partition, offset, error }: ParkedMessage): string[] {
  return [id, state, parkedAt, `${topic} ${partition}@${offset}`, error.replace(/\s+/g, ' ').slice(0, 120)];
}

async function show(letters: DeadLetters, id: string, isJson: boolean): Promise<void> {
  const { letter, message } = await letters.find(id);
  const value = Buffer.from(letter.content.value, 'base64').toString();
  const headers = letter.content.headers ?? {};
  if (isJson) {
    print(JSON.stringify({ ...message, headers, value }, null, 2));
    return;
  }
  const rows = Object.entries({ ...message, headers: JSON.stringify(headers) });
  print(`${formatTable(rows.map(([name, text]) => [name, String(text)]))}\n\n${value}`);
}

async function replay(letters: DeadLetters, id: string | undefined, isJson: boolean): Promise<void> {
  const { replayed, failed } =
    id === undefined
      ? await letters.replayWaiting()
      : { replayed: [(await letters.replay(id)).id], failed: [] };
  if (isJson) print(JSON.stringify({ replayed, failed }, null, 2));
  else print(replayed.length === 0 ? 'nothing to replay' : `replayed: ${replayed.join(', ')}`);
  if (failed.length > 0) {
    throw new CommandError(failed.map(({ id, error }) => `${id}: ${error}`).join('\n'));
  }
}

type Work = (letters: DeadLetters) => Promise<void>;

/** Everything that is wrong about the words is told before anything is done. */
function readWork(values: Given, [command = 'nothing', target]: string[]): Work {
  if (!Object.hasOwn(COMMANDS, command)) {
    throw new UsageError(`one of ${Object.keys(COMMANDS).join(', ')} is needed, met ${command}`);
  }
  const known = command as keyof typeof COMMANDS;
  refuseOthers(known, values, COMMANDS[known]);
  const isWhole = known === 'list' || values.all === true;
  if (isWhole && target !== undefined) throw new UsageError(`${known} takes no ${target} here`);
  if (known === 'list') return (letters) => list(letters, values);
  const isJson = values.json === true;
  const id = isWhole ? undefined : parseLetterId(target);
  if (known === 'show' && id !== undefined) return (letters) => show(letters, id, isJson);
  if (known !== 'done' || id === undefined) return (letters) => replay(letters, id, isJson);
  const why = values.reason;
  if (why === undefined) throw new UsageError('done wants --reason');
  return (letters) => finish(letters, id, why, isJson);
}

async function finish(letters: DeadLetters, id: string, why: string, isJson: boolean): Promise<void> {
  const letter = await letters.done(id, { by: nameOfUser(), reason: why });
  print(
    isJson
      ? JSON.stringify(letter, null, 2)
      : `done: letter ${id}, by ${letter.doneBy ?? ''}: ${letter.doneReason ?? ''}`,
  );
}

/** Who runs the command. In a container the user may have a number alone. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

async function main(values: Given, words: string[]): Promise<undefined> {
  const work = readWork(values, words);
  const engineUrls = findEngines(values.name);
  const logger = createLogger('dead-letters', 'silent');
  const kafka = createKafka(engineUrls.kafka(), 'seckill-dead-letters', logger);
  const pool = createPool(engineUrls.databaseUrl(), logger, { max: 1 });
  try {
    await work(new DeadLetters({ kafka, pool }));
  } catch (error) {
    throw forPerson(error);
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: 2 }, main);
}
