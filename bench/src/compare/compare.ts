import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { FULL, QUICK, settle, type Comparison } from './comparison.ts';
import { comparisonTables } from './comparison-tables.ts';
import { describeEnvironment } from '../target/environment.ts';
import { FIGURES, figuresOf, type Phase } from './figures.ts';
import { makeResultFolder } from '../folders.ts';
import { compareHolds } from './million-holds.ts';
import { compareIntake } from './intake-rate.ts';
import { compareLatency } from './latency.ts';
import { formatLine } from '../run/live.ts';
import { assertTaken, type BenchValues } from '../options.ts';
import { BASELINES, startRig, type SideName } from './rig.ts';
import { Samples } from './samples.ts';
import { compareSaturation, compareSoldOut } from './saturation.ts';
import { compareScripts } from './script-rate.ts';
import { SUMMARY_VERSION } from '../run/summary.ts';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { storeOrders, timeRebuild } from '../measure/rebuild.ts';
import { plainSale, PLENTY } from '../scenarios/load/load.ts';
import { closeSale, createSale } from '../target/sale.ts';

/**
 * The phases run in this order. Latency and intake need the product's saturation. The million holds come last
 * because they stay.
 */
const PHASES: readonly [Phase, (comparison: Comparison) => Promise<void>][] = [
  ['scripts', compareScripts],
  ['saturation', compareSaturation],
  ['sold-out', compareSoldOut],
  ['latency', compareLatency],
  ['intake', compareIntake],
  ['rebuild', compareRebuild],
  ['holds', compareHolds],
];

/**
 * Compares the product and the baselines side by side.
 * @returns 0 when all figures are met, 99 when some are missed, 1 when a side sold wrong.
 */
export async function compare(values: BenchValues): Promise<number> {
  assertTaken('compare', values, ['rounds', 'only', 'quick', 'json', 'out']);
  const names = values.only ?? FIGURES.map(({ name }) => name);
  const kinds = FIGURES.filter(({ name }) => names.includes(name));
  const phases = new Set(kinds.flatMap((kind) => kind.phases));
  const scale = { ...(values.quick === true ? QUICK : FULL) };
  scale.rounds = values.rounds ?? scale.rounds;
  const startedAt = new Date();
  const { log, show } = createProgress(startedAt);
  warnOfLoad(log);
  const rig = await startRig(log);
  const samples = new Samples();
  try {
    const environment = await describeEnvironment(rig.target);
    const comparison: Comparison = { rig, scale, samples, sides: sidesFor(values.only, kinds), log, show };
    for (const [phase, run] of PHASES) {
      if (!phases.has(phase)) continue;
      log(`── ${phase}, ${scale.rounds} rounds`);
      await runPhase(comparison, phase, run);
    }
    const figures = figuresOf(samples, names);
    const folder = makeResultFolder('compare', values.out);
    const parts = { startedAt, environment, scale, samples, figures, isQuick: values.quick === true };
    const tables = comparisonTables(parts);
    const summary = {
      schemaVersion: SUMMARY_VERSION,
      kind: 'comparison',
      ...parts,
      samples: samples.values,
      cpuUs: samples.cpuUs,
    };
    writeFileSync(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
    writeFileSync(join(folder, 'result.md'), `${tables.join('\n')}\n`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ figures }, null, 2)}\n`);
    console.log(`\n${tables.join('\n')}\n\n${join(folder, 'result.md')}\n${join(folder, 'summary.json')}`);
    if (samples.findings.length > 0) return 1;
    // A smoke run (`quick`) is judged only by whether the sides sold right.
    return values.quick === true || figures.every(({ met }) => met) ? 0 : 99;
  } finally {
    await rig.close();
  }
}

/**
 * Shows a line for each second of each window and then one for the window. A terminal redraws the seconds in
 * place.
 */
function createProgress(startedAt: Date): Pick<Comparison, 'log' | 'show'> {
  const { stdout } = process;
  const erase = stdout.isTTY ? '\r\u001b[K' : '';
  return {
    log(line) {
      const seconds = Math.round((Date.now() - startedAt.getTime()) / 1_000);
      stdout.write(`${erase}${String(seconds).padStart(5)} s  ${line}\n`);
    },
    show(side, point) {
      const line = `${' '.repeat(9)}${side}  ${formatLine(point, 0)}`;
      stdout.write(stdout.isTTY ? `${erase}${line.slice(0, stdout.columns - 1)}` : `${line}\n`);
    },
  };
}

/** Runs one phase. A phase that fails takes its own figures with it, but not the hour before it. */
async function runPhase(
  comparison: Comparison,
  phase: Phase,
  run: (one: Comparison) => Promise<void>,
): Promise<void> {
  try {
    await run(comparison);
  } catch (error) {
    const text = `${phase} failed: ${error instanceof Error ? error.message : String(error)}`;
    comparison.samples.findings.push(text);
    comparison.log(text);
  }
}

/**
 * Stock lists the sales that it watches every 5 s. A sale that is lost before it is listed waits for that,
 * which is no part of a rebuild: with 2,000 orders it made 3 and 4 s out of 0.4.
 */
const LISTED_MS = 6_000;

/** Measures how many orders a second come back to a Redis that lost a sale. */
async function compareRebuild(comparison: Comparison): Promise<void> {
  const { scale, samples, log } = comparison;
  const { target } = comparison.rig;
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  await createSale(target, saleId, plainSale(PLENTY), Date.now());
  const listed = sleep(LISTED_MS);
  await storeOrders(target, saleId, scale.rebuildOrders);
  await listed;
  for (let round = 1; round <= scale.rounds; round += 1) {
    await settle(comparison);
    const { seconds, cpuUs, finding } = await timeRebuild(target, saleId, scale.rebuildOrders);
    const rate = scale.rebuildOrders / seconds;
    samples.add('rebuilt', rate);
    samples.addCpu('rebuild', cpuUs);
    if (finding !== undefined) samples.findings.push(finding);
    log(
      `round ${round}  rebuild: ${scale.rebuildOrders} orders in ${seconds.toFixed(2)} s, ${rate.toFixed(0)} a second`,
    );
  }
  await closeSale(target, saleId);
}

/** Chooses all baselines, or with `--only` those that the figures need. */
function sidesFor(only: string[] | undefined, kinds: (typeof FIGURES)[number][]): SideName[] {
  const needed = new Set(kinds.flatMap(({ of }) => of));
  return ['product', ...BASELINES.filter((name) => only === undefined || needed.has(name))];
}

function warnOfLoad(log: (line: string) => void): void {
  const load = loadavg()[0] ?? 0;
  if (load > 0.5)
    log(`the load average is ${load.toFixed(1)}: others are at work, and the figures will say so`);
}
