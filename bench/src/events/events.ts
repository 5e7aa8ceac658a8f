import { randomBytes } from 'node:crypto';
import type { Audit } from '@seckill/contracts';
import { loadAverage, openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { limitlessSale, PLENTY } from '../scenarios/load/load.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { createSale } from '../target/sale.ts';
import { openTarget, type Target } from '../target/target.ts';
import { runRound, sell, type Round } from './round.ts';

const LISTENERS = 10_000;
const QUICK_LISTENERS = 200;
const ROUNDS = 4;
const WINDOW_MS = 5_000;
const QUICK_WINDOW_MS = 1_000;
const TARGETS = { bytes_per_listener: 20_000, all_heard_ms: 2_000, with_vs_without: 0.5 };

/**
 * `npm run bench -- events`: what listeners to a sale cost one gateway, when all of them heard "sold out",
 * and how fast the sale sells with and without them, by pairs. The listeners run on the same machine.
 */
export async function events(values: BenchValues): Promise<number> {
  const measurement = openMeasurement(values, {
    name: 'events',
    takes: ['listeners', 'rounds', 'quick', 'json'],
    rounds: ROUNDS,
  });
  const { isQuick, log, write } = measurement;
  const listeners = values.listeners ?? (isQuick ? QUICK_LISTENERS : LISTENERS);
  const places = String(listeners + 100);
  const env = { EVENTS_LISTENERS_COUNT_MAX: places, EVENTS_ADDRESS_LISTENERS_COUNT_MAX: places };
  const target = await openTarget({ log, env });
  try {
    const environment = await describeEnvironment(target);
    const saleId = `bench-${randomBytes(6).toString('hex')}`;
    const sale = limitlessSale(PLENTY);
    await createSale(target, saleId, sale, Date.now());
    const windowMs = isQuick ? QUICK_WINDOW_MS : WINDOW_MS;
    await sell(target, saleId, windowMs);
    const rounds: Round[] = [];
    for (let number = 1; number <= measurement.rounds; number += 1) {
      const round = await runRound(target, { saleId, listeners, windowMs, isWithFirst: number % 2 === 0 });
      rounds.push(round);
      log(`round ${number}  ${toLine(round)}`);
    }
    const figures = figuresOf(rounds);
    for (const line of toTable(listeners, figures)) log(line);
    const found = await check(target, saleId, rounds);
    for (const finding of found) log(`Wrong: ${finding}`);
    write({ environment, listeners, figures, rounds });
    if (found.length > 0) return 1;
    // A smoke run is judged only by whether everybody heard, and whether it sold right.
    return isQuick || figures.every(({ met }) => met) ? 0 : 99;
  } finally {
    await target.close();
  }
}

interface Figure {
  name: keyof typeof TARGETS;
  value: number;
  target: string;
  met: boolean;
}

function figuresOf(rounds: readonly Round[]): Figure[] {
  const bytes = median(rounds.map(({ bytesEach }) => bytesEach));
  const heard = median(rounds.map(({ allHeardMs }) => allHeardMs));
  const ratio = median(rounds.map(({ acceptedWith, acceptedWithout }) => acceptedWith / acceptedWithout));
  const atMost = (name: keyof typeof TARGETS, value: number) => ({
    name,
    value,
    target: `≤ ${TARGETS[name]}`,
    met: value <= TARGETS[name],
  });
  return [
    atMost('bytes_per_listener', bytes),
    atMost('all_heard_ms', heard),
    {
      name: 'with_vs_without',
      value: ratio,
      target: `≥ ${TARGETS.with_vs_without}`,
      met: ratio >= TARGETS.with_vs_without,
    },
  ];
}

/** What a run must not show, whatever the machine. */
async function check(
  { http, operatorToken }: Target,
  saleId: string,
  rounds: readonly Round[],
): Promise<string[]> {
  const deaf = rounds.reduce((sum, one) => sum + one.deaf, 0);
  const response = await http.request({
    method: 'GET',
    path: `/v1/sales/${saleId}/audit`,
    headers: { authorization: `Bearer ${operatorToken}` },
  });
  const audit = (await response.body.json()) as Audit;
  return [
    ...(deaf === 0 ? [] : [`${deaf} listeners never heard "sold out"`]),
    ...(audit.verdict === 'broken' ? [`the audit says ${JSON.stringify(audit)}`] : []),
  ];
}

function toLine(round: Round): string {
  const { acceptedWith, acceptedWithout, bytesEach, halfHeardMs, allHeardMs } = round;
  return (
    `load ${loadAverage().toFixed(1)}: ${acceptedWithout.toFixed(0)} accepted a second without, ${acceptedWith.toFixed(0)} with; ` +
    `${bytesEach.toFixed(0)} bytes each; half heard after ${halfHeardMs.toFixed(0)} ms, ` +
    `all after ${allHeardMs.toFixed(0)} ms; cores: gateway ${round.gatewayCores.toFixed(2)}, ` +
    `listeners ${round.listenerCores.toFixed(2)}`
  );
}

function toTable(listeners: number, figures: readonly Figure[]): string[] {
  return [
    '',
    `${listeners} listeners; load average ${loadAverage().toFixed(1)}`,
    '',
    '| figure | value | target | met |',
    '|---|---|---|---|',
    ...figures.map(
      ({ name, value, target, met }) =>
        `| \`${name}\` | ${value < 10 ? value.toFixed(2) : value.toFixed(0)} | ${target} | ${met ? 'yes' : 'no'} |`,
    ),
  ];
}
