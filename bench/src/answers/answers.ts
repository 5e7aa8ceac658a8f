import { startCalibrator, type Calibrator } from '../measure/calibrator.ts';
import { readWork, workBetween, type Work } from '../measure/work.ts';
import { loadAverage, openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { ANSWERS, startAnswerRig, type AnswerName, type AnswerSide } from './sides.ts';

const CONNECTIONS = 64;
const ROUNDS = 6;
const WINDOW_MS = 4_000;
const QUICK_WINDOW_MS = 500;
/** Each side is warm when two seconds that follow each other differ by less than this share. */
const WARM_SHARE = 0.05;
const WARM_SECONDS_MAX = 20;
const WARM_MS = 1_000;

interface Sample {
  answer: AnswerName;
  round: number;
  perSecond: number;
  /** µs of CPU for each answer, by process, as the scheduler counted them. */
  cpuUs: Record<string, number>;
  /** The sum of `cpuUs`, divided by what the fixed work took around this window, times its median. */
  calibratedUs: number;
  /** Figures of all processes: the kernel's share of their CPU, and µs and switches for each answer. */
  systemShare: number;
  waitUs: number;
  switches: number;
  /** µs of CPU of the client for each answer. */
  clientUs: number;
  calibratorUs: number;
}

interface Figure {
  name: string;
  value: number;
  target: number;
  of: AnswerName;
  against: AnswerName;
}

const FIGURES: readonly Omit<Figure, 'value'>[] = [
  { name: 'gateway_vs_bare', of: 'reserved', against: 'bare', target: 2 },
  { name: 'sold_out_vs_bare', of: 'sold_out', against: 'bare', target: 1.5 },
  { name: 'read_vs_sold_out', of: 'read', against: 'sold_out', target: 1.2 },
];

/**
 * `npm run bench -- answers`: what single answers cost, against a bare Fastify route and each other. The
 * rounds go through the sides forth and back (A B C D, D C B A), so that a machine that grows slower favours
 * nobody.
 */
export async function answers(values: BenchValues): Promise<number> {
  const { isQuick, rounds, log, write } = openMeasurement(values, {
    name: 'answers',
    takes: ['rounds', 'quick', 'connections', 'json'],
    rounds: ROUNDS,
    quickRounds: 2,
  });
  const windowMs = isQuick ? QUICK_WINDOW_MS : WINDOW_MS;
  const rig = await startAnswerRig(values.connections ?? CONNECTIONS, log);
  const calibrator = startCalibrator();
  try {
    const environment = await describeEnvironment(rig.target);
    for (const name of ANSWERS) await warmUp(rig.sides[name], isQuick ? 1 : WARM_SECONDS_MAX, log);
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 === 0 ? ANSWERS : [...ANSWERS].reverse();
      for (const name of order) {
        const sample = await measure(rig.sides[name], { round, windowMs, calibrator });
        samples.push(sample);
        log(toLine(sample));
      }
    }
    calibrate(samples);
    const figures = FIGURES.map((figure) => ({ ...figure, value: ratioOf(samples, figure) }));
    for (const line of toTable(samples, figures)) log(line);
    write({ environment, figures, samples });
    // A smoke run passes if every answer was right. Such a run judges no figure.
    return isQuick || figures.every(({ value, target }) => value <= target) ? 0 : 99;
  } finally {
    calibrator.stop();
    await rig.close();
  }
}

async function warmUp(side: AnswerSide, secondsMax: number, log: (line: string) => void): Promise<void> {
  let before: number | undefined;
  for (let second = 1; second <= secondsMax; second += 1) {
    const { cpuUs } = await ask(side, WARM_MS);
    const us = sum(cpuUs);
    if (before !== undefined && Math.abs(us - before) < WARM_SHARE * before) {
      log(`${side.name} is warm after ${second} s: ${us.toFixed(1)} µs`);
      return;
    }
    before = us;
  }
  log(`${side.name} is taken as warm after ${secondsMax} s: ${(before ?? 0).toFixed(1)} µs`);
}

interface Asked {
  perSecond: number;
  answered: number;
  cpuUs: Record<string, number>;
  work: Work[];
  clientUs: number;
}

/**
 * @throws Error when an answer was another one than expected, because the cost of wrong answers says nothing.
 */
async function ask({ name, client, pids, status }: AnswerSide, windowMs: number): Promise<Asked> {
  const entries = Object.entries(pids);
  const before = entries.map(([, pid]) => readWork(pid));
  const clientBefore = readWork(client.pid);
  const { answered, seconds, statuses, failures } = await client.run(windowMs);
  const work = entries.map(([, pid], index) => workBetween(before[index] ?? readWork(pid), readWork(pid)));
  const clientWork = workBetween(clientBefore, readWork(client.pid));
  if (failures > 0 || answered === 0 || statuses[status] !== answered) {
    throw new Error(`${name} answered ${JSON.stringify(statuses)}, ${failures} failures`);
  }
  return {
    perSecond: answered / seconds,
    answered,
    cpuUs: Object.fromEntries(entries.map(([key], index) => [key, (work[index]?.cpuUs ?? 0) / answered])),
    work,
    clientUs: clientWork.cpuUs / answered,
  };
}

async function measure(
  side: AnswerSide,
  { round, windowMs, calibrator }: { round: number; windowMs: number; calibrator: Calibrator },
): Promise<Sample> {
  const before = await calibrator.measure();
  const { perSecond, answered, cpuUs, work, clientUs } = await ask(side, windowMs);
  const calibratorUs = (before + (await calibrator.measure())) / 2;
  const total = (pick: (one: Work) => number) => work.reduce((all, one) => all + pick(one), 0);
  const systemTicks = total((one) => one.systemTicks);
  return {
    answer: side.name,
    round,
    perSecond,
    cpuUs,
    calibratedUs: sum(cpuUs),
    systemShare: systemTicks / Math.max(1, systemTicks + total((one) => one.userTicks)),
    waitUs: total((one) => one.waitUs) / answered,
    switches: total((one) => one.switches) / answered,
    clientUs,
    calibratorUs,
  };
}

function calibrate(samples: Sample[]): void {
  const usual = median(samples.map(({ calibratorUs }) => calibratorUs));
  for (const sample of samples) sample.calibratedUs = (sum(sample.cpuUs) * usual) / sample.calibratorUs;
}

/** @returns the median over the rounds of the ratio within one round. */
function ratioOf(samples: readonly Sample[], { of, against }: Omit<Figure, 'value'>): number {
  const rounds = samples.filter(({ answer }) => answer === of);
  return median(
    rounds.map(({ round, calibratedUs }) => {
      const other = samples.find((one) => one.answer === against && one.round === round);
      return calibratedUs / (other?.calibratedUs ?? NaN);
    }),
  );
}

function toLine({ answer, round, perSecond, cpuUs, calibratorUs }: Sample): string {
  const shares = Object.entries(cpuUs).map(([name, us]) => `${name} ${us.toFixed(1)}`);
  const rate = `${Math.round(perSecond)} a second`;
  return `round ${round + 1}  ${answer.padEnd(9)} ${rate}, µs: ${shares.join(', ')}; fixed work ${Math.round(calibratorUs / 1_000)} ms`;
}

function toTable(samples: readonly Sample[], figures: readonly Figure[]): string[] {
  const of = (name: AnswerName, pick: (sample: Sample) => number) =>
    median(samples.filter(({ answer }) => answer === name).map(pick));
  return [
    '',
    `medians; load average ${loadAverage().toFixed(1)}`,
    '',
    '| answer | a second | CPU µs | kernel | waits µs | switches | client µs |',
    '|---|---|---|---|---|---|---|',
    ...ANSWERS.map((name) => {
      const cells = [
        Math.round(of(name, ({ perSecond }) => perSecond)).toString(),
        of(name, ({ calibratedUs }) => calibratedUs).toFixed(1),
        `${Math.round(of(name, ({ systemShare }) => systemShare) * 100)} %`,
        of(name, ({ waitUs }) => waitUs).toFixed(1),
        of(name, ({ switches }) => switches).toFixed(2),
        of(name, ({ clientUs }) => clientUs).toFixed(1),
      ];
      return `| \`${name}\` | ${cells.join(' | ')} |`;
    }),
    '',
    '| figure | value | target |',
    '|---|---|---|',
    ...figures.map(({ name, value, target }) => `| \`${name}\` | ${value.toFixed(2)} | ≤ ${target} |`),
  ];
}

function sum(values: Record<string, number>): number {
  return Object.values(values).reduce((total, value) => total + value, 0);
}
