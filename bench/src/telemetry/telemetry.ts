import { randomBytes } from 'node:crypto';
import { loadSide, type Measured, type Side } from '../compare/side.ts';
import { loadAverage, openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { plainSale, PLENTY } from '../scenarios/load/load.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { createSale } from '../target/sale.ts';
import { openTarget, type Target } from '../target/target.ts';
import { startCollector, startWatchers } from './watchers.ts';

const ROUNDS = 6;
const CONNECTIONS = 32;
const WINDOW_MS = 10_000;
const WARM_UP_MS = 1_500;
const QUICK_WINDOW_MS = 1_500;

/**
 * `plain`: nobody looks. `watched`: the same processes while metrics are scraped and a console is open.
 * `traced`: another stack, whose services tell spans to a collector.
 */
const SIDES = ['plain', 'watched', 'traced'] as const;
type SideName = (typeof SIDES)[number];

interface Sample {
  side: SideName;
  round: number;
  acceptedPerSecond: number;
  /** µs of CPU of gateway, stock and order for each answer. */
  servicesUs: number;
  load: number;
}

/**
 * `npm run bench -- telemetry`: what it costs to look at a sale. Rounds go through the sides forth and back,
 * and a ratio is taken within one round, because this machine's speed changes between rounds.
 */
export async function telemetry(values: BenchValues): Promise<number> {
  const { isQuick, rounds, log, write } = openMeasurement(values, {
    name: 'telemetry',
    takes: ['rounds', 'quick', 'connections', 'json'],
    rounds: ROUNDS,
  });
  const connections = values.connections ?? CONNECTIONS;
  const durationMs = isQuick ? QUICK_WINDOW_MS : WINDOW_MS;
  const collector = await startCollector();
  const share = process.env['OTEL_TRACES_SAMPLER_ARG'] ?? '0.01';
  const targets: Target[] = [];
  const samples: Sample[] = [];
  const findings: string[] = [];
  try {
    const plain = await openTarget({ log });
    targets.push(plain);
    const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: share };
    const traced = await openTarget({ log, ownName: `bench-${process.pid}-traced`, env: tracing });
    targets.push(traced);
    const measure = async (side: SideName, round: number): Promise<void> => {
      const target = side === 'traced' ? traced : plain;
      const measured = await loadBeside(target, side === 'watched', {
        kind: 'closed',
        connections,
        durationMs,
      });
      findings.push(...measured.findings.map((finding) => `${side}: ${finding}`));
      // The first round warms the processes up.
      if (round > 0) samples.push(sampleOf(side, round, measured));
    };
    for (let round = 0; round <= rounds; round += 1) {
      for (const side of round % 2 === 0 ? SIDES : [...SIDES].reverse()) await measure(side, round);
      for (const sample of samples.filter((one) => one.round === round)) log(toLine(sample));
    }
    const summary = { share, spanBytes: collector.bytes, environment: await describeEnvironment(plain) };
    for (const line of toTable(samples, share)) log(line);
    for (const finding of findings) log(`BROKEN  ${finding}`);
    if (collector.bytes === 0) findings.push('the collector heard no span');
    write({ ...summary, samples, findings });
    return findings.length === 0 ? 0 : 1;
  } finally {
    for (const target of targets) await target.close();
    await collector.close();
  }
}

async function loadBeside(
  target: Target,
  isWatched: boolean,
  model: { kind: 'closed'; connections: number; durationMs: number },
): Promise<Measured> {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  await target.engines?.settleEngines(30_000);
  await createSale(target, saleId, plainSale(PLENTY), Date.now());
  const watchers = isWatched ? startWatchers(target, saleId) : undefined;
  const side: Side = { kind: 'product', url: target.url, pids: target.pids };
  const measured = await loadSide(target, side, { model, warmUpMs: WARM_UP_MS, seed: 1, saleId }).finally(
    () => watchers?.stop(),
  );
  return measured;
}

function sampleOf(side: SideName, round: number, { load, cpuUs }: Measured): Sample {
  const services = ['gateway', 'stock', 'order'].map((name) => cpuUs[name] ?? 0);
  return {
    side,
    round,
    acceptedPerSecond: load.acceptedPerSecond,
    servicesUs: services.reduce((sum, one) => sum + one, 0),
    load: loadAverage(),
  };
}

function toLine({ side, round, acceptedPerSecond, servicesUs, load }: Sample): string {
  const rate = `${Math.round(acceptedPerSecond)} accepted a second`;
  return `round ${round}  ${side.padEnd(8)} ${rate}, ${servicesUs.toFixed(0)} µs of the services; load ${load.toFixed(1)}`;
}

function toTable(samples: readonly Sample[], share: string): string[] {
  const rounds = [...new Set(samples.map(({ round }) => round))];
  const ratios = (side: SideName, pick: (sample: Sample) => number): number[] =>
    rounds.map((round) => {
      const of = (name: SideName) =>
        samples.filter((one) => one.round === round && one.side === name).map(pick)[0] ?? NaN;
      return of(side) / of('plain');
    });
  const cell = (values: number[]): string =>
    `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;
  return [
    '',
    `medians of ratios within a round, with their range, beside plain; ${share} of requests traced`,
    '',
    '| side | CPU of the services an answer | accepted a second |',
    '|---|---|---|',
    ...(['watched', 'traced'] as const).map((side) => {
      const cpu = ratios(side, ({ servicesUs }) => servicesUs);
      const rate = ratios(side, ({ acceptedPerSecond }) => acceptedPerSecond);
      return `| \`${side}\` | ${cell(cpu)} | ${cell(rate)} |`;
    }),
  ];
}
