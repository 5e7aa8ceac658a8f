import { randomBytes } from 'node:crypto';
import { startRawProcess } from '../generator/raw-process-client.ts';
import { readWork, workBetween } from '../measure/work.ts';
import { loadAverage, openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { PLENTY, limitlessSale } from '../scenarios/load/load.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { createSale } from '../target/sale.ts';
import { openTarget, type Target } from '../target/target.ts';
import { makeReservations } from '../answers/reservations.ts';

const CONNECTIONS = 64;
const ROUNDS = 3;
/** The burst's first two seconds, and the same length later. */
const WINDOW_MS = 2_000;
/** Windows of one burst. The last three count as warm: until then a machine of two cores has compiled all. */
const WINDOWS = 8;
const WARM_WINDOWS = 3;
const QUICK_WINDOW_MS = 500;
/** More than a burst of two cores asks; a key that came again would be a repeat, which costs less. */
const REQUESTS_PER_SECOND = 4_000;
/** A stack that has just started is still busy with itself. Nobody opens a sale in that moment. */
const SETTLE_MS = 5_000;
const SERVICES = ['gateway', 'stock', 'order'] as const;
type Service = (typeof SERVICES)[number];

const TARGET = 1.2;

/** µs of CPU for each accepted reservation. */
type Cost = Record<Service, number>;

interface Round {
  cold: Cost;
  warm: Cost;
  coldPerSecond: number;
  warmPerSecond: number;
}

/**
 * `npm run bench -- cold`: a burst on a stack that has just started, its first two seconds against later
 * ones. Each round starts a stack, because a process is cold only once.
 */
export async function cold(values: BenchValues): Promise<number> {
  const measurement = openMeasurement(values, {
    name: 'cold',
    takes: ['rounds', 'quick', 'connections', 'json'],
    rounds: ROUNDS,
  });
  const { isQuick, log, write } = measurement;
  const rounds: Round[] = [];
  let environment: unknown;
  for (let round = 0; round < measurement.rounds; round += 1) {
    const target = await openTarget({ log });
    try {
      environment ??= await describeEnvironment(target);
      const connections = values.connections ?? CONNECTIONS;
      const measured = await burst(target, connections, isQuick ? QUICK_WINDOW_MS : WINDOW_MS);
      rounds.push(measured);
      log(`round ${round + 1}  ${toLine(measured)}`);
    } finally {
      await target.close();
    }
  }
  const value = median(rounds.map(({ cold: first, warm }) => sum(first) / sum(warm)));
  log(`load average ${loadAverage().toFixed(1)}`);
  log(`cold_vs_warm ${value.toFixed(2)}, target ≤ ${TARGET}`);
  write({ environment, cold_vs_warm: value, rounds });
  // A smoke run passes if every answer was right. Such a run judges no figure.
  return isQuick || value <= TARGET ? 0 : 99;
}

/** @throws Error when an answer was another one than 201: its cost would say nothing. */
async function burst(target: Target, connections: number, windowMs: number): Promise<Round> {
  const saleId = `bench-${randomBytes(6).toString('hex')}`;
  const sale = limitlessSale(PLENTY);
  await createSale(target, saleId, sale, Date.now());
  const { hostname, port } = new URL(target.url);
  const count = Math.ceil((REQUESTS_PER_SECOND * WINDOWS * windowMs) / 1_000);
  const requests = makeReservations(target, saleId, count);
  const client = await startRawProcess({ host: hostname, port: Number(port), connections, requests });
  try {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const windows: { cost: Cost; perSecond: number }[] = [];
    let asked = 0;
    for (let index = 0; index < WINDOWS; index += 1) {
      const before = SERVICES.map((name) => readWork(target.pids[name] ?? 0));
      const { answered, seconds, statuses, failures } = await client.run(windowMs);
      const cost = SERVICES.map((name, at) => {
        const then = before[at];
        const now = readWork(target.pids[name] ?? 0);
        return [name, workBetween(then ?? now, now).cpuUs / answered] as const;
      });
      asked += answered;
      if (failures > 0 || statuses[201] !== answered || asked + connections > count) {
        throw new Error(`${asked} of ${count} asked, ${JSON.stringify(statuses)}, ${failures} failures`);
      }
      windows.push({ cost: Object.fromEntries(cost) as Cost, perSecond: answered / seconds });
    }
    const [first] = windows;
    const later = windows.slice(-WARM_WINDOWS);
    const of = (name: Service) => median(later.map(({ cost }) => cost[name]));
    if (first === undefined) throw new Error('no window');
    return {
      cold: first.cost,
      warm: { gateway: of('gateway'), stock: of('stock'), order: of('order') },
      coldPerSecond: first.perSecond,
      warmPerSecond: median(later.map(({ perSecond }) => perSecond)),
    };
  } finally {
    client.stop();
  }
}

function toLine({ cold: first, warm, coldPerSecond, warmPerSecond }: Round): string {
  const parts = SERVICES.map((name) => `${name} ${first[name].toFixed(0)} → ${warm[name].toFixed(0)}`);
  const rates = `${Math.round(coldPerSecond)} → ${Math.round(warmPerSecond)} a second`;
  return `µs of CPU, first → later: ${parts.join(', ')}; ${rates}; ratio ${(sum(first) / sum(warm)).toFixed(2)}`;
}

const sum = (cost: Cost) => SERVICES.reduce((total, name) => total + cost[name], 0);
