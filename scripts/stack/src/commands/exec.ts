/** `node exec.js --name test -- tap`: the three engines for as long as one command runs. */
import { parseArgs } from 'node:util';
import { startChild } from '../machine/children.ts';
import type { Child } from '../machine/children.ts';
import { runCli } from '../cli.ts';
import { ENGINE_NAMES } from '../engines/engine.ts';
import type { EngineName } from '../engines/engine.ts';
import { startEngines } from '../engines/engine-set.ts';
import type { Engines } from '../engines/engine-set.ts';
import { StackError } from '../errors.ts';
import { onEnd } from '../machine/lifetime.ts';

const HELP = `Runs a command with Redis, Kafka and PostgreSQL of its own, and stops them when it ends.

  node scripts/stack/dist/commands/exec.js [--name NAME] [--only ENGINES] -- COMMAND [ARGUMENT…]

  --name NAME   name of the stack (default: exec); in use: NAME-2, NAME-3, …
  --only LIST   some of redis,kafka,postgres (default: all)
  --help        this text

The command finds REDIS_URL, KAFKA_BROKERS, DATABASE_URL and SECKILL_STACK_NAME in its environment; its exit code is ours.`;

const CLI = {
  name: { type: 'string', default: 'exec' },
  only: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** A test runner that is asked to stop prints its summary first. */
const COMMAND_STOP_MS = 5_000;

function parseOnly(list: string | undefined): EngineName[] {
  if (list === undefined) return ENGINE_NAMES;
  const wanted = list.split(',');
  const unknown = wanted.find((name) => !(ENGINE_NAMES as string[]).includes(name));
  if (unknown !== undefined) throw new StackError('SECKILL_STACK_USAGE', `--only: no engine "${unknown}"`);
  return ENGINE_NAMES.filter((name) => wanted.includes(name));
}

/** Variables of engines that were left out are not touched. */
function variablesOf(engines: Engines, only: EngineName[]): Record<string, string> {
  const all: Record<EngineName, [string, string]> = {
    redis: ['REDIS_URL', engines.redis],
    kafka: ['KAFKA_BROKERS', engines.kafka],
    postgres: ['DATABASE_URL', engines.postgres],
  };
  return Object.fromEntries(only.map((name) => all[name]));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: CLI, allowPositionals: true });
  const [command, ...args] = positionals;
  if (values.help === true || command === undefined) {
    console.log(HELP);
    return values.help === true ? 0 : 2;
  }
  const only = parseOnly(values.only);
  const session: { engines?: Engines; child?: Child; isEnding: boolean } = { isEnding: false };
  const watch = onEnd(async () => {
    session.isEnding = true;
    await session.child?.stop();
    await session.engines?.stop();
  });
  const log = (line: string): void => {
    console.error(line);
  };
  const engines = await startEngines({ name: values.name, anyName: true, log, only });
  session.engines = engines;
  session.child = await startChild({
    name: 'command',
    command,
    args,
    env: {
      ...process.env,
      ...variablesOf(engines, only),
      SECKILL_STACK_NAME: engines.name,
    },
    output: 'inherit',
    stopMs: COMMAND_STOP_MS,
  });
  const { code } = await session.child.exited;
  // The signal's own path stops the engines and exits.
  if (session.isEnding) return new Promise(() => undefined);
  await engines.stop();
  watch.release();
  return code ?? 1;
}

await runCli(main);
