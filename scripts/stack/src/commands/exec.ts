/** `node exec.js --name test -- tap`: runs the three engines for as long as one command runs. */
import { runCommand, someOf, stackName, UsageError, type Values } from '@seckill/runtime';
import { startChild } from '../machine/children.ts';
import type { Child } from '../machine/children.ts';
import { ENGINE_NAMES } from '../engines/engine.ts';
import type { EngineName } from '../engines/engine.ts';
import { startEngines } from '../engines/engine-set.ts';
import type { Engines } from '../engines/engine-set.ts';
import { onEnd } from '../machine/lifetime.ts';

const HELP = `Runs a command with Redis, Kafka and PostgreSQL of its own, and stops them when it ends.

  node scripts/stack/dist/commands/exec.js [--name NAME] [--only ENGINES] -- COMMAND [ARGUMENT…]

  --name NAME   name of the stack (default: exec); in use: NAME-2, NAME-3, … (--stack is the same)
  --only LIST   some of redis,kafka,postgres (default: all)
  --help        this text

The command finds REDIS_URL, KAFKA_BROKERS, DATABASE_URL and SECKILL_STACK_NAME in its environment; its exit code is ours.`;

const OPTIONS = { name: stackName, only: someOf('engine', ENGINE_NAMES) };

/** A test runner that is asked to stop prints its summary first. */
const COMMAND_STOP_MS = 5_000;

/** Variables of engines that were left out are not touched. */
function variablesOf(engines: Engines, only: EngineName[]): Record<string, string> {
  const all: Record<EngineName, [string, string]> = {
    redis: ['REDIS_URL', engines.redis],
    kafka: ['KAFKA_BROKERS', engines.kafka],
    postgres: ['DATABASE_URL', engines.postgres],
  };
  return Object.fromEntries(only.map((name) => all[name]));
}

async function main(values: Values<typeof OPTIONS>, [command, ...args]: string[]): Promise<number> {
  if (command === undefined) throw new UsageError('a command is needed, after --');
  const { name = 'exec', only = ENGINE_NAMES } = values;
  const session: { engines?: Engines; child?: Child; isEnding: boolean } = { isEnding: false };
  const watch = onEnd(async () => {
    session.isEnding = true;
    await session.child?.stop();
    await session.engines?.stop();
  });
  const log = (line: string): void => {
    console.error(line);
  };
  const engines = await startEngines({ name, anyName: true, log, only });
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

await runCommand({ help: HELP, options: OPTIONS, wordsMax: Infinity }, main);
