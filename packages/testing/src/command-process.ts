/**
 * `command-runner.ts` starts this program. The program runs commands of ours in its one process, one after
 * the other, each from its first line to its exit. A message names the command; the answer tells its exit
 * code and what it said.
 */
import { pathToFileURL } from 'node:url';
import type { Ended, Order } from './command-runner.ts';

/** Thrown where a command would end the process. */
class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

process.exit = (code) => {
  throw new Exit(Number(code ?? 0));
};

function listenTo(stream: NodeJS.WriteStream): () => string {
  let said = '';
  stream.write = (chunk: string | Uint8Array) => {
    said += String(chunk);
    return true;
  };
  return () => said;
}

async function exitCodeOf(url: string): Promise<number> {
  try {
    await import(url);
    return 0;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    throw error;
  } finally {
    // Each command listens for a reader that stops reading.
    process.stdout.removeAllListeners('error');
  }
}

async function run({ id, file, args, env }: Order): Promise<Ended> {
  for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, env);
  process.argv = [process.execPath, file, ...args];
  const [stdout, stderr] = [listenTo(process.stdout), listenTo(process.stderr)];
  // The query makes it another module, so its own lines run again. What it imports is loaded already.
  const code = await exitCodeOf(`${pathToFileURL(file).href}?run=${id}`);
  return { code, stdout: stdout(), stderr: stderr() };
}

let last: Promise<unknown> = Promise.resolve();
process.on('message', (order: Order) => {
  last = last.then(async () => {
    process.send?.({ id: order.id, ended: await run(order) });
  });
});
