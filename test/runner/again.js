/**
 * `node test/runner/again.js LOG STEP SECONDS`: runs the test files that failed in a step once more, each by
 * itself on a machine that is quiet by then, and ends with 0 when all of them pass in that time. Beside others
 * on two cores a test may wait too short. What failed is printed in any case, and what passes now is flaky.
 *
 * Nothing that may speak of an invariant is tried again, because one oversold unit in a hundred runs is a
 * defect: no faults, no campaigns of random histories, no fuzzer, no script in Redis, no file of INVARIANTS,
 * and no failure that names an invariant. Nor is anything where more than four files failed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** These steps run files that each judge one thing by itself, and the first gives its tests engines. */
const STEPS = [
  'npm test',
  'npm run test:telemetry',
  'npm run test:storefront',
  'npm run test:console',
  'npm run test:k8s',
];
const INVARIANTS = [
  /^scripts\/lua\//,
  /^bench\/test\/audit\//,
  /^test\/(client|faults|fire|invariants|rolling|tla)\//,
  /^services\/order\/test\/(expiry|groups|intake|late-money|ledger|orders|recovery)\//,
  /^services\/stock\/test\/(audit|recovery|relay|reserve|settler)\//,
];
const SPEAKS_OF_INVARIANTS = /INV-[1-6]|invariant|overs[eo]l|sold twice|never one more/i;
const FILES_MAX = 4;
const SECONDS_MIN = 30;

const [log = '', step = '', seconds = '0'] = process.argv.slice(2);
const until = performance.now() + 1_000 * Number(seconds);
const files = STEPS.includes(step) ? failedFiles(readFileSync(log, 'utf8')) : undefined;
if (files === undefined || files.length === 0 || files.length > FILES_MAX) process.exit(1);
for (const file of files) {
  const left = until - performance.now();
  if (left < 1_000 * SECONDS_MIN) process.exit(1);
  console.log(`── again, alone: ${file} of ${step}`);
  const engines = step === 'npm test' ? ['scripts/stack/dist/commands/exec.js', '--name', 'again', '--'] : [];
  const words = [
    ...engines,
    ...(engines.length > 0 ? ['node'] : []),
    'test/runner/run.js',
    '--timeout=600',
    file,
  ];
  const { status } = spawnSync('node', words, {
    stdio: 'inherit',
    timeout: Math.floor(left),
    killSignal: 'SIGTERM',
  });
  if (status !== 0) process.exit(1);
  console.log(`── flaky: ${file} of ${step} failed beside others and passed alone`);
}

/**
 * The files in which something failed; undefined when one of them must not be tried again. A group of files,
 * which is `.run/tests/NNN-….test.js`, names each of them in a comment before its results.
 */
function failedFiles(text) {
  const failed = new Set();
  let file;
  let shown = 0;
  for (const line of text.split('\n')) {
    file = /^ *# (?:Subtest: )?(\S+\.test\.ts)$/.exec(line)?.[1] ?? file;
    const isFailure = /^ +not ok /.test(line) && !/# (SKIP|TODO)/.test(line);
    if (isFailure) shown = 30;
    // A failure and what is said of it, up to the next result.
    else if (/^ *(ok |# |\d+\.\.)/.test(line)) shown = 0;
    if (shown > 0 && SPEAKS_OF_INVARIANTS.test(line)) return undefined;
    shown -= 1;
    if (!isFailure) continue;
    if (file === undefined || INVARIANTS.some((one) => one.test(file))) return undefined;
    failed.add(file);
  }
  return [...failed];
}
