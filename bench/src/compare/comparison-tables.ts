import type { Scale } from './comparison.ts';
import type { Environment } from '../target/environment.ts';
import { FIGURES, roundsOf, type Figure } from './figures.ts';
import type { Samples } from './samples.ts';
import { median } from '../statistics.ts';

interface Parts {
  startedAt: Date;
  environment: Environment;
  scale: Scale;
  samples: Samples;
  figures: Figure[];
  isQuick: boolean;
}

/** Writes a comparison in Markdown: figures, what was measured, CPU per request, conditions. */
export function comparisonTables({
  startedAt,
  environment,
  scale,
  samples,
  figures,
  isQuick,
}: Parts): string[] {
  return [
    `# Comparison of ${startedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    '',
    ...(isQuick ? ['A smoke: these figures mean nothing.', ''] : []),
    ...figureTable(figures, samples),
    '',
    ...sampleTable(samples),
    '',
    ...cpuTable(samples),
    '',
    ...conditions(environment, scale),
    ...section('Wrong', samples.findings),
    ...section('To know', samples.notes),
  ];
}

function figureTable(figures: Figure[], samples: Samples): string[] {
  const rows = figures.map(({ name, value, target, met }) => {
    const kind = FIGURES.find((one) => one.name === name);
    const [upper = '', lower] = kind?.of ?? [];
    const rounds = roundsOf(samples.get(upper), lower === undefined ? undefined : samples.get(lower));
    const isWhole = rounds.length > 1 && rounds.every(Number.isFinite);
    const range = isWhole ? `${format(Math.min(...rounds))} – ${format(Math.max(...rounds))}` : '';
    const sign = kind?.isAtMost === true ? '≤' : '≥';
    return `| \`${name}\` | ${value === null ? 'not measured' : format(value)} | ${sign} ${target} | ${met ? 'yes' : 'NO'} | ${range} |`;
  });
  return ['| figure | value | target | met | rounds |', '|---|---|---|---|---|', ...rows];
}

function sampleTable({ values }: Samples): string[] {
  const rows = Object.entries(values).map(([name, rounds]) => {
    const list = rounds.map(format).join(', ');
    return `| ${name} | ${format(median(rounds))} | ${list} |`;
  });
  return [
    'Sides: accepted (sold-out, read: answered) a second. cpu: µs an answer. p50, p99: µs. Order lag: ms. Scripts: requests a second.',
    '',
    '| measured | median | rounds |',
    '|---|---|---|',
    ...rows,
  ];
}

function cpuTable({ cpuUs }: Samples): string[] {
  const rows = Object.entries(cpuUs).map(([side, processes]) => {
    const each = Object.entries(processes).map(([name, rounds]) => `${name} ${median(rounds).toFixed(0)}`);
    const sum = Object.values(processes).reduce((total, rounds) => total + median(rounds), 0);
    return `| ${side} | ${sum.toFixed(0)} | ${each.join(', ')} |`;
  });
  return [
    'CPU for each answer, or for each order of a rebuild, µs, median of the rounds:',
    '',
    '| side | all | processes |',
    '|---|---|---|',
    ...rows,
  ];
}

function conditions(environment: Environment, scale: Scale): string[] {
  const { cpu, cores, memoryMegabytes, os, node, commit, loadAverage, engines } = environment;
  const versions = Object.entries(engines).map(([name, value]) => `${name} ${value}`);
  return [
    `Generator, services and engines on the same ${cores} cores (${cpu}, ${memoryMegabytes} MB, ${os}), load average`,
    `before ${loadAverage}; Node ${node}; commit ${commit}; ${versions.join(', ')}; Kafka acks all, flushed on every`,
    `message. Closed model: ${scale.connections} connections, ${scale.windowMs / 1_000} s, the first ${scale.warmUpMs / 1_000} s not measured, ${scale.rounds} rounds,`,
    'every second one in the opposite order. Redis rewrites its AOF and PostgreSQL writes a checkpoint before each',
    'window. Every side that sells was checked after each window: as many orders as were accepted, never above the total.',
  ];
}

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, '', ...lines.slice(0, 50).map((line) => `- ${line}`)];

const format = (value: number): string =>
  !Number.isFinite(value) ? 'none' : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
