/**
 * `node test/runner/run.js [tap's options and files]`: runs tap and ends with the line `N passed, N failed`,
 * which a person and a pipeline find at the same place. The exit code is tap's.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HOOKLESS = new URL('without-hooks.js', import.meta.url).href;
const TAP = fileURLToPath(new URL('../../node_modules/tap/dist/esm/run.mjs', import.meta.url));

/** tap's closing line, `# { total: 1084, pass: 1083, fail: 1 }`, which leaves out what is 0. */
const SUMMARY = /^# \{ total: .*\}$/gm;

function readCounts(text) {
  const line = text.match(SUMMARY)?.at(-1) ?? '';
  const read = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return { passed: read('pass'), failed: read('fail') };
}

// On a terminal tap draws, and writes the plain text to a file; elsewhere it writes the plain text alone.
const isDrawn = process.stdout.isTTY === true;
const folder = mkdtempSync(join(tmpdir(), 'seckill-tap-'));
const file = join(folder, 'output.tap');
const args = [
  '--import',
  HOOKLESS,
  TAP,
  ...(isDrawn ? [`--output-file=${file}`] : []),
  ...process.argv.slice(2),
];
const tap = spawn(process.execPath, args, { stdio: ['inherit', isDrawn ? 'inherit' : 'pipe', 'inherit'] });
let end = '';
tap.stdout?.setEncoding('utf8').on('data', (text) => {
  process.stdout.write(text);
  end = `${end}${text}`.slice(-10_000);
});
// tap is asked to stop as well and prints what it has; the last line is ours even so.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal));
tap.on('close', (code) => {
  if (isDrawn && existsSync(file)) end = readFileSync(file, 'utf8');
  rmSync(folder, { recursive: true, force: true });
  const counts = readCounts(end);
  // tap may fail without a test that failed: it was stopped, or found no file.
  const failed = code === 0 ? counts.failed : Math.max(counts.failed, 1);
  console.log(`${counts.passed} passed, ${failed} failed`);
  process.exitCode = code ?? 1;
});
