/** `node exec.js --name test -- tap`: the three engines for as long as one command runs. */
import { parseArgs } from 'node:util';
import { startChild } from './children.ts';
import type { Child } from './children.ts';
import { runCli } from './cli.ts';
import { startEngines } from './engine-set.ts';
import type { Engines } from './engine-set.ts';
import { onEnd } from './lifetime.ts';

const HELP = `Runs a command with Redis, Kafka and PostgreSQL of its own, and stops them when it ends.

  node scripts/stack/dist/exec.js [--name NAME] -- COMMAND [ARGUMENT…]

  --name NAME   name of the stack (default: exec); in use: NAME-2, NAME-3, …
  --help        this text

The command finds REDIS_URL, KAFKA_BROKERS, DATABASE_URL and SECKILL_STACK_NAME in its environment; its exit code is ours.`;

const CLI = { name: { type: 'string', default: 'exec' }, help: { type: 'boolean' } } as const;

/** A test runner that is asked to stop prints its summary first. */
const COMMAND_STOP_MS = 5_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: CLI, allowPositionals: true });
  const [command, ...args] = positionals;
  if (values.help === true || command === undefined) {
    console.log(HELP);
    return values.help === true ? 0 : 2;
  }
  let engines: Engines | undefined;
  let child: Child | undefined;
  let isEnding = false;
  const stop = async (): Promise<void> => {
    isEnding = true;
    await child?.stop();
    await engines?.stop();
  };
  const watch = onEnd(stop);
  engines = await startEngines({
    name: values.name,
    anyName: true,
    log: (line) => {
      console.error(line);
    },
  });
  if (isEnding) return 130;
  child = await startChild({
    name: 'command',
    command,
    args,
    env: {
      ...process.env,
      REDIS_URL: engines.redis,
      KAFKA_BROKERS: engines.kafka,
      DATABASE_URL: engines.postgres,
      SECKILL_STACK_NAME: engines.name,
    },
    output: 'inherit',
    stopMs: COMMAND_STOP_MS,
  });
  const { code } = await child.exited;
  if (isEnding) return new Promise(() => undefined);
  await engines.stop();
  watch.release();
  return code ?? 1;
}

await runCli(main);
