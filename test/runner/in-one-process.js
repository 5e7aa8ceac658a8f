/**
 * `node test/runner/in-one-process.js`: runs programs of ours in this one process, one after the other, each
 * from its first line to its exit. A process of its own takes 0.6 s of processor time, nearly all of it for
 * loading the same packages again. Reads a JSON array of [file, ...arguments] from stdin and writes what each
 * said and its exit code to stdout, as JSON.
 */
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

class Exit extends Error {
  constructor(code) {
    super(`exit ${code}`);
    this.code = code ?? 0;
  }
}

const write = process.stdout.write.bind(process.stdout);
const exit = process.exit.bind(process);
process.exit = (code) => {
  throw new Exit(code);
};

async function run(file, args, count) {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    process[name].write = (chunk) => {
      said[name] += chunk;
      return true;
    };
  }
  process.argv = [process.execPath, file, ...args];
  try {
    // The query makes it another module, so its own lines run again; what it imports is loaded already.
    await import(`${pathToFileURL(file).href}?run=${count}`);
    return { code: 0, ...said };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, ...said };
  } finally {
    process.stdout.removeAllListeners('error');
  }
}

const ended = [];
for (const [file, ...args] of JSON.parse(await text(process.stdin))) {
  ended.push(await run(file, args, ended.length));
}
write(JSON.stringify(ended), () => exit(0));
