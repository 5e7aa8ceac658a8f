/**
 * `node test/runner/run.js [tap's options and files]`: runs tap and ends with the line `N passed, N failed`,
 * which a person and a pipeline find at the same place. The exit code is tap's.
 *
 * Without options, tap runs twice: first the files that run beside others, many of them in one process (see
 * together.js), then those that .taprc calls serial. In one run tap takes the files by name, and before each
 * serial one every core but one has nothing to do until the slowest of its neighbours has ended.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { writeGroups } from './together.js';

const WITHOUT_HOOKS = new URL('without-hooks.js', import.meta.url).href;
const TAP = fileURLToPath(new URL('../../node_modules/tap/dist/esm/run.mjs', import.meta.url));

/** tap's closing line, `# { total: 1084, pass: 1083, fail: 1 }`, which leaves out what is 0. */
const SUMMARY = /^# \{ total: .*\}$/gm;

function readCounts(text) {
  const line = text.match(SUMMARY)?.at(-1) ?? '';
  const read = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return { passed: read('pass'), failed: read('fail') };
}

/** @returns the arguments of each run of tap. */
function planRuns(given) {
  // The table of coverage is of one run.
  if (given.length > 0 || process.env.TAP_RCFILE !== undefined) return [given];
  const { serial } = parse(readFileSync(new URL('../../.taprc', import.meta.url), 'utf8'));
  const files = execFileSync(process.execPath, [TAP, 'list'], { encoding: 'utf8' }).trim().split('\n');
  const isSerial = (file) => serial.includes(file);
  return [writeGroups(files.filter((file) => !isSerial(file))), files.filter(isSerial)];
}

// On a terminal tap draws, and writes the plain text to a file; elsewhere it writes the plain text alone.
const isDrawn = process.stdout.isTTY === true;
let isAskedToStop = false;

/** @returns the exit code of tap and what it counted. */
function runTap(given) {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-tap-'));
  const file = join(folder, 'output.tap');
  const args = ['--import', WITHOUT_HOOKS, TAP, ...(isDrawn ? [`--output-file=${file}`] : []), ...given];
  const tap = spawn(process.execPath, args, { stdio: ['inherit', isDrawn ? 'inherit' : 'pipe', 'inherit'] });
  let end = '';
  tap.stdout?.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text);
    end = `${end}${text}`.slice(-10_000);
  });
  // tap is asked to stop as well and prints what it has; the last line is ours even so.
  const stop = (signal) => {
    isAskedToStop = true;
    tap.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
  return new Promise((resolve) => {
    tap.on('close', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop);
      if (isDrawn && existsSync(file)) end = readFileSync(file, 'utf8');
      rmSync(folder, { recursive: true, force: true });
      const counts = readCounts(end);
      // tap may fail without a test that failed: it was stopped, or found no file.
      const failed = code === 0 ? counts.failed : Math.max(counts.failed, 1);
      resolve({ code: code ?? 1, passed: counts.passed, failed });
    });
  });
}

const total = { code: 0, passed: 0, failed: 0 };
for (const args of planRuns(process.argv.slice(2))) {
  if (isAskedToStop) break;
  const { code, passed, failed } = await runTap(args);
  total.code ||= code;
  total.passed += passed;
  total.failed += failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.code;
