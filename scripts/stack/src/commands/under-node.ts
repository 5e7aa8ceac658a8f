/**
 * `node under-node.js -- npm run demo`: runs one command, and all that it starts, under the Node.js that
 * README names first.
 */
import { delimiter } from 'node:path';
import { runCommand, UsageError } from '@seckill/runtime';
import { startChild } from '../machine/children.ts';
import { onEnd } from '../machine/lifetime.ts';
import { fetchNode, NODE_VERSION } from '../machine/node.ts';

const HELP = `Runs a command under Node.js ${NODE_VERSION}, which is fetched from npm once and kept in the cache.

  node scripts/stack/dist/commands/under-node.js -- COMMAND [ARGUMENT…]

  --help   this text

Its exit code is ours.`;

/** A test runner that is asked to stop prints its summary first. After that its engines stop. */
const COMMAND_STOP_MS = 15_000;

async function main(_values: object, [command, ...args]: string[]): Promise<number> {
  if (command === undefined) throw new UsageError('a command is needed, after --');
  const bin = await fetchNode((line) => {
    console.error(line);
  });
  const child = await startChild({
    name: 'command',
    command,
    args,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
    output: 'inherit',
    stopMs: COMMAND_STOP_MS,
  });
  const watch = onEnd(() => child.stop());
  const { code } = await child.exited;
  watch.release();
  return code ?? 1;
}

await runCommand({ help: HELP, options: {}, wordsMax: Infinity }, main);
