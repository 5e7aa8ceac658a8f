/**
 * `run.js` loads this into tap itself. tap starts each test file with three hooks of its own. One erases types,
 * which erase.js does for us. One replaces modules by mocks, which no test asks for. One notes what a process
 * loads, for the table of coverage. Each hook sees every module that a test loads, and together they took 0.3
 * of the 1.3 s of processor time of an empty test file. A test file that has our hook starts without tap's.
 * `npm run test:coverage` does not have our hook.
 */
import { ChildProcess } from 'node:child_process';

const OURS = '--import=./test/runner/register.js';
const TAPS = /"?--import=\S*\/@tapjs\/(typescript|mock|processinfo)\/\S*"?/g;

const { spawn } = ChildProcess.prototype;
ChildProcess.prototype.spawn = function spawnWithoutHooks(options) {
  if (options.args?.includes(OURS) !== true) return spawn.call(this, options);
  const without = (text) => text.replaceAll(TAPS, '').trim();
  return spawn.call(this, {
    ...options,
    args: options.args.map(without).filter((arg) => arg !== ''),
    // tap also writes its hook into the NODE_OPTIONS of every child.
    envPairs: options.envPairs.map((pair) => (pair.startsWith('NODE_OPTIONS=') ? without(pair) : pair)),
  });
};
