import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CommandError,
  createKafka,
  createLogger,
  createPool,
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

const HELP = `Usage: npm run dead-letters -- <command> [options]
Messages that a service could not understand or store, kept in the topic seckill.dead-letters.

  list                          those that wait for a person
  show <partition>-<offset>     one of them, with the message in it
  replay <partition>-<offset>   sends the original message again, to where it was met
  replay --all                  the same for all that wait

  --all-states    list: replayed ones too
  --json          answers as JSON
  --name NAME     engines of .run/NAME/stack.json; without it DATABASE_URL and KAFKA_BROKERS, or else the stack "default"
                  (--stack is the same)
  --help          this text

Replaying is safe: a message that was stored already changes nothing. One that fails again comes back as a new letter.
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = { all: flag, 'all-states': flag, json: flag, name: stackName };

const COMMANDS = ['list', 'show', 'replay'];

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

async function list(letters: DeadLetters, isAll: boolean, isJson: boolean): Promise<void> {
  const { data } = await letters.list(isAll ? {} : { state: 'waiting' });
  if (isJson) {
    print(JSON.stringify(data, null, 2));
  } else if (data.length === 0) {
    print(isAll ? 'no dead letters' : 'no dead letters wait');
  } else {
    const rows = data.map((one) => [
      one.id,
      one.state,
      one.parkedAt,
      `${one.topic} ${one.partition}@${one.offset}`,
      one.error.replace(/\s+/g, ' ').slice(0, 120),
    ]);
    print(formatTable([['id', 'state', 'parked', 'message', 'error'], ...rows]));
  }
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

async function main(values: Values<typeof OPTIONS>, [command, target]: string[]): Promise<undefined> {
  if (command === undefined || !COMMANDS.includes(command)) {
    throw new UsageError(`one of ${COMMANDS.join(', ')} is needed, met ${command ?? 'nothing'}`);
  }
  const isAll = values.all === true;
  if (isAll && command !== 'replay') throw new UsageError(`${command} takes no --all`);
  if (values['all-states'] === true && command !== 'list')
    throw new UsageError(`${command} takes no --all-states`);
  const isWhole = command === 'list' || isAll;
  if (isWhole && target !== undefined) throw new UsageError(`${command} takes no ${target} here`);
  const id = isWhole ? undefined : parseLetterId(target);
  const isJson = values.json === true;
  const engineUrls = findEngines(values.name);
  const logger = createLogger('dead-letters', 'silent');
  const kafka = createKafka(engineUrls.kafka(), 'seckill-dead-letters', logger);
  const pool = createPool(engineUrls.databaseUrl(), logger, { max: 1 });
  try {
    const letters = new DeadLetters({ kafka, pool });
    if (command === 'list') await list(letters, values['all-states'] === true, isJson);
    else if (command === 'show' && id !== undefined) await show(letters, id, isJson);
    else await replay(letters, id, isJson);
  } catch (error) {
    throw forPerson(error);
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: 2 }, main);
}
