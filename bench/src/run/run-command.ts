import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@seckill/runtime';
import { describeEnvironment } from '../target/environment.ts';
import { makeResultFolder } from '../folders.ts';
import { ARRIVALS_MAX, expectedCount } from '../generator/arrivals.ts';
import { createLive, type Live } from './live.ts';
import { assertTaken, type BenchValues } from '../options.ts';
import { renderPage, resultRows } from './page.ts';
import { runScenario } from './run.ts';
import type { LoadScenario, ScenarioOptions } from '../scenarios/load/load.ts';
import { summarize, type Summary } from './summary.ts';
import { openTarget, type Target, type TargetOptions } from '../target/target.ts';
import type { ThresholdLimits } from '../measure/thresholds.ts';

/** Options of every scenario, beside those that make its plan. */
const RUN_OPTIONS = [
  ...(['name', 'target', 'secret', 'redis', 'kafka', 'postgres'] as const),
  ...(['p99', 'error-rate', 'order-lag-p99', 'seed', 'json', 'out'] as const),
];

/** Runs one scenario and writes what came of it. @returns the exit code. */
export async function runLoad(scenario: LoadScenario, values: BenchValues): Promise<number> {
  const log = (line: string): void => {
    console.log(line);
  };
  assertTaken(scenario.name, values, [...RUN_OPTIONS, ...scenario.takes]);
  assertPossible(scenario, values);
  const target = await openTarget(targetOptions(values, log));
  try {
    if (values['order-lag-p99'] !== undefined && target.engines === undefined) {
      throw new UsageError(
        '--order-lag-p99 wants --redis, --kafka and --postgres: rows are looked for there',
      );
    }
    const summary = await runOnce(target, scenario, values, createLive(process.stdout));
    const folder = makeResultFolder(scenario.name, values.out);
    writeFileSync(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
    writeFileSync(join(folder, 'report.html'), renderPage(summary));
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
    for (const line of formatSummary(summary)) log(line);
    log(`\n${join(folder, 'summary.json')}\n${join(folder, 'report.html')}`);
    return summary.exitCode;
  } finally {
    await target.close();
  }
}

/**
 * Everything that is known before a stack starts is told then. Otherwise a tester would wait for the refusal.
 * @throws UsageError for a load that no run could make.
 */
function assertPossible(scenario: LoadScenario, values: BenchValues): void {
  const { name, needs } = scenario;
  const { target, redis } = values;
  if (target !== undefined && needs === 'processes') {
    throw new UsageError(`${name} takes no --target: it stops a process of a stack of this machine`);
  }
  if (target !== undefined && redis === undefined && needs === 'engines') {
    throw new UsageError(`${name} wants --redis, --kafka and --postgres with --target: it reads the engines`);
  }
  const { model } = scenario.plan(scenarioOptions(values));
  const count = model.kind === 'open' ? expectedCount(model.arrivals) : 0;
  if (count > ARRIVALS_MAX) {
    throw new UsageError(`${count} arrivals are more than one run plans, ${ARRIVALS_MAX} at most`);
  }
}

export async function runOnce(
  target: Target,
  scenario: LoadScenario,
  values: BenchValues,
  live: Live,
): Promise<Summary> {
  const plan = scenario.plan(scenarioOptions(values));
  const seed = values.seed ?? Date.now() % 1_000_000;
  const startedAt = new Date().toISOString();
  const environment = await describeEnvironment(target);
  live.log(`${scenario.name}: ${scenario.summary}; seed ${seed}`);
  const result = await runScenario({ target, scenario, plan, seed, live });
  const limits: ThresholdLimits = {
    ...plan.limits,
    ...(values.p99 === undefined ? {} : { p99Ms: values.p99 }),
    ...(values['error-rate'] === undefined ? {} : { errorRate: values['error-rate'] }),
    ...(values['order-lag-p99'] === undefined ? {} : { orderLagP99Ms: values['order-lag-p99'] }),
  };
  return summarize({ scenario: scenario.name, startedAt, environment, seed, limits, result });
}

export function targetOptions(values: BenchValues, log: (line: string) => void): TargetOptions {
  const { name, target, secret, redis, kafka, postgres } = values;
  return {
    log,
    ...(name === undefined ? {} : { name }),
    ...(target === undefined ? {} : { target }),
    ...(secret === undefined ? {} : { secret }),
    ...(redis === undefined ? {} : { redis }),
    ...(kafka === undefined ? {} : { kafka }),
    ...(postgres === undefined ? {} : { postgres }),
  };
}

export function scenarioOptions(values: BenchValues): ScenarioOptions {
  const { duration, rate, connections, factor, buyers, arrivals } = values;
  return {
    ...(arrivals === undefined ? {} : { arrivals }),
    ...(duration === undefined ? {} : { durationSeconds: duration }),
    ...(rate === undefined ? {} : { rate }),
    ...(connections === undefined ? {} : { connections }),
    ...(factor === undefined ? {} : { factor }),
    ...(buyers === undefined ? {} : { buyers }),
  };
}

export function formatSummary(summary: Summary): string[] {
  const { verdict, thresholds, whyInvalid, cpu } = summary;
  const lines = ['', ...resultRows(summary).map(([name, value]) => `${name}: ${value}`)];
  const perAnswer = Object.entries(cpu).map(([name, { perAnswerUs }]) => `${name} ${perAnswerUs.toFixed(0)}`);
  if (perAnswer.length > 0) lines.push(`CPU for each answer, µs: ${perAnswer.join(', ')}`);
  lines.push('');
  for (const { name, limit, value, met } of thresholds) {
    lines.push(`${met ? 'met   ' : 'MISSED'}  ${name} ${value?.toPrecision(4) ?? 'never'}, limit ${limit}`);
  }
  for (const why of whyInvalid) lines.push(`NOT VALID: ${why}; latencies are not to be believed`);
  const scope =
    verdict.scope === 'engines'
      ? 'read from Redis, Kafka and Postgres'
      : 'only what HTTP can tell: give --redis, --kafka and --postgres for the proof';
  lines.push(verdict.holds ? `Every invariant holds (${scope}).` : `An invariant is BROKEN (${scope}):`);
  lines.push(...verdict.findings.slice(0, 20).map((finding) => `  - ${finding}`));
  return lines;
}
