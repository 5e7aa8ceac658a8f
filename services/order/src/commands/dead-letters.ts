import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CommandError,
  createKafka,
  createLogger,
  createPool,
  createProducer,
  flag,
  formatTable,
  type Kafka,
  type Pool,
  print,
  runCommand,
  stackName,
  UsageError,
  type Values,
} from '@seckill/runtime';
import { readLetters, replayLetter, type Letter } from './dead-letter-topic.ts';
import { findEngines } from './command.ts';

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

/** Where a letter lies, which is its name. */
interface LetterId {
  partition: number;
  offset: bigint;
}

interface Engines {
  kafka: Kafka;
  pool: Pool;
}

const nameOf = ({ partition, offset }: LetterId) => `${partition}-${offset}`;

function parseLetterId(text: string | undefined): LetterId {
  const [, partition, offset] = /^(\d{1,5})-(\d{1,18})$/.exec(text ?? '') ?? [];
  if (partition === undefined || offset === undefined) {
    throw new UsageError(`expected <partition>-<offset> as list shows it, met ${text ?? 'nothing'}`);
  }
  return { partition: Number(partition), offset: BigInt(offset) };
}

/** Names of the letters that were replayed, with the time. */
async function readReplays(pool: Pool): Promise<Map<string, Date>> {
  const { rows } = await pool.query<{ partition: number; offset: string; replayed_at: Date }>(
    'SELECT partition, "offset", replayed_at FROM dead_letter_replays',
  );
  return new Map(
    rows.map(({ partition, offset, replayed_at }) => [
      nameOf({ partition, offset: BigInt(offset) }),
      replayed_at,
    ]),
  );
}

async function markReplayed(pool: Pool, { partition, offset }: LetterId): Promise<void> {
  await pool.query(
    `INSERT INTO dead_letter_replays (partition, "offset") VALUES ($1, $2)
     ON CONFLICT (partition, "offset") DO UPDATE SET replayed_at = now()`,
    [partition, offset.toString()],
  );
}

interface Summary {
  id: string;
  state: 'waiting' | 'replayed';
  topic: string;
  partition: number;
  offset: string;
  key: string;
  error: string;
  parkedAt: string;
  replayedAt?: string;
}

function summarize(letter: Letter, replayedAt: Date | undefined): Summary {
  const { topic, partition, offset, error } = letter.content;
  return {
    id: nameOf(letter),
    state: replayedAt === undefined ? 'waiting' : 'replayed',
    topic,
    partition,
    offset,
    key: letter.key,
    error,
    parkedAt: letter.parkedAt.toISOString(),
    ...(replayedAt === undefined ? {} : { replayedAt: replayedAt.toISOString() }),
  };
}

async function list({ kafka, pool }: Engines, isAll: boolean, isJson: boolean): Promise<void> {
  const replays = await readReplays(pool);
  const summaries: Summary[] = [];
  await readLetters(kafka, async (letter) => {
    const summary = summarize(letter, replays.get(nameOf(letter)));
    if (isAll || summary.state === 'waiting') summaries.push(summary);
  });
  summaries.sort((a, b) => (a.parkedAt < b.parkedAt ? -1 : a.parkedAt > b.parkedAt ? 1 : 0));
  if (isJson) {
    print(JSON.stringify(summaries, null, 2));
  } else if (summaries.length === 0) {
    print(isAll ? 'no dead letters' : 'no dead letters wait');
  } else {
    const rows = summaries.map((one) => [
      one.id,
      one.state,
      one.parkedAt,
      `${one.topic} ${one.partition}@${one.offset}`,
      one.error.replace(/\s+/g, ' ').slice(0, 120),
    ]);
    print(formatTable([['id', 'state', 'parked', 'message', 'error'], ...rows]));
  }
}

/** @throws CommandError when there is no letter there. */
async function findLetter(kafka: Kafka, id: LetterId): Promise<Letter> {
  const found: Letter[] = [];
  await readLetters(kafka, async (letter) => {
    if (nameOf(letter) === nameOf(id)) found.push(letter);
  });
  if (found[0] === undefined) throw new CommandError(`there is no dead letter ${nameOf(id)}`);
  return found[0];
}

async function show({ kafka, pool }: Engines, id: LetterId, isJson: boolean): Promise<void> {
  const letter = await findLetter(kafka, id);
  const summary = summarize(letter, (await readReplays(pool)).get(nameOf(id)));
  const value = Buffer.from(letter.content.value, 'base64').toString();
  const headers = letter.content.headers ?? {};
  if (isJson) {
    print(JSON.stringify({ ...summary, headers, value }, null, 2));
    return;
  }
  const rows = Object.entries({ ...summary, headers: JSON.stringify(headers) });
  print(`${formatTable(rows.map(([name, text]) => [name, String(text)]))}\n\n${value}`);
}

async function replay({ kafka, pool }: Engines, id: LetterId | undefined, isJson: boolean): Promise<void> {
  const producer = createProducer(kafka);
  await producer.connect();
  const replayed: string[] = [];
  const replayOne = async (letter: Letter) => {
    await replayLetter(producer, letter);
    // The mark comes after Kafka's confirmation. A crash between the two leads to one more replay, which
    // changes nothing.
    await markReplayed(pool, letter);
    replayed.push(nameOf(letter));
  };
  const failed: { id: string; error: string }[] = [];
  try {
    if (id === undefined) await replayWaiting({ kafka, pool }, replayOne, failed);
    else await replayOne(await findLetter(kafka, id));
  } finally {
    await producer.disconnect();
  }
  if (isJson) print(JSON.stringify({ replayed, failed }, null, 2));
  else print(replayed.length === 0 ? 'nothing to replay' : `replayed: ${replayed.join(', ')}`);
  if (failed.length > 0) {
    throw new CommandError(failed.map(({ id, error }) => `${id}: ${error}`).join('\n'));
  }
}

/** A letter that can never be replayed does not hold up the others. */
async function replayWaiting(
  { kafka, pool }: Engines,
  replayOne: (letter: Letter) => Promise<void>,
  failed: { id: string; error: string }[],
): Promise<void> {
  const replays = await readReplays(pool);
  await readLetters(kafka, async (letter) => {
    if (replays.has(nameOf(letter))) return;
    try {
      await replayOne(letter);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      failed.push({ id: nameOf(letter), error: error.message });
    }
  });
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
    const engines = { kafka, pool };
    if (command === 'list') await list(engines, values['all-states'] === true, isJson);
    else if (command === 'show' && id !== undefined) await show(engines, id, isJson);
    else await replay(engines, id, isJson);
  } finally {
    await pool.end();
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: OPTIONS, wordsMax: 2 }, main);
}
