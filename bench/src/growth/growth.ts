import { randomBytes } from 'node:crypto';
import { openMeasurement, loadAverage } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { limitlessSale, PLENTY } from '../scenarios/load/load.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { createSale } from '../target/sale.ts';
import { openTarget, type Target } from '../target/target.ts';
import { Intakes } from './intakes.ts';
import { measureLedgerRow } from './ledger-row.ts';
import { findSaleIds } from './primaries.ts';
import { measureShape, type Shape, type Window } from './shapes.ts';

const CONNECTIONS = 64;
const ROUNDS = 4;
const GATEWAYS = [1, 2, 4];
const SALES = [1, 2, 4];
const INTAKES = [1, 2, 4];
/** Each a number of sales on a number of primaries. */
const ON_PRIMARIES = [
  [1, 1],
  [2, 1],
  [4, 1],
  [2, 2],
  [4, 2],
  [4, 3],
] as const;
const FULL = { warmUpMs: 1_500, windowMs: 4_000, backlogMs: 5_000 };
const QUICK = { warmUpMs: 500, windowMs: 1_000, backlogMs: 1_500 };
/** What "the cost of an order does not grow" means on cores that are all busy. */
const TARGET = 1.1;

type Log = (line: string) => void;

/** One line of a table of growth. */
interface Row {
  label: string;
  cpuUs: number;
  perSecond: number;
  /** Cost of an order against the first line of the table. */
  ratio: number;
  samples: { cpuUs: number; perSecond: number; cpuUsByProcess?: Record<string, number> }[];
}

/**
 * `npm run bench -- growth`: what an order costs in CPU when there is more of one part. On a machine whose
 * cores are all busy, a part that grows without a loss shows as a cost that stays the same, not as a rate.
 */
export async function growth(values: BenchValues): Promise<number> {
  const measurement = openMeasurement(values, {
    name: 'growth',
    takes: ['rounds', 'quick', 'connections', 'json'],
    rounds: ROUNDS,
  });
  const { isQuick, rounds, log, write } = measurement;
  const times = isQuick ? QUICK : FULL;
  const window = { connections: values.connections ?? CONNECTIONS, ...times };
  const tables: Record<string, Row[]> = {};
  const target = await openTarget({ log });
  let environment: unknown;
  let ledgerRow: number;
  try {
    environment = await describeEnvironment(target);
    tables['gateways'] = await growGateways(target, window, rounds, log);
    tables['sales'] = await growSales(target, window, rounds, log);
    ledgerRow = await measureLedgerRow(target.info?.postgres ?? '', times.windowMs);
    log(`one row of the ledger: ${Math.round(ledgerRow)} transactions a second`);
    tables['intakes'] = await growIntakes(target, { ...window, ...times }, rounds, log);
  } finally {
    await target.close();
  }
  tables['primaries'] = await growPrimaries(window, rounds, log);
  const worst = Math.max(...Object.values(tables).flatMap((rows) => rows.map(({ ratio }) => ratio)));
  log(`load average ${loadAverage().toFixed(1)}`);
  log(`growth_cost ${worst.toFixed(2)}, target ≤ ${TARGET}`);
  write({ environment, growth_cost: worst, ledger_row_per_second: ledgerRow, tables });
  // A smoke run passes if every answer was right. Such a run judges no figure.
  return isQuick || worst <= TARGET ? 0 : 99;
}

async function growGateways(target: Target, window: Window, rounds: number, log: Log): Promise<Row[]> {
  const { stack } = target;
  if (stack === undefined) throw new Error('no stack of our own');
  const urls = [target.url];
  for (let number = 2; number <= Math.max(...GATEWAYS); number += 1) {
    urls.push((await stack.startProcess({ service: 'gateway', name: `gateway-${number}` })).url);
  }
  const [saleId] = await createSales(target, newIds(1));
  const shapes = GATEWAYS.map((count) => ({
    label: counted(count, 'gateway'),
    gateways: urls.slice(0, count),
    saleIds: saleId === undefined ? [] : [saleId],
  }));
  return measureTable(target, shapes, window, rounds, log);
}

async function growSales(target: Target, window: Window, rounds: number, log: Log): Promise<Row[]> {
  const ids = await createSales(target, newIds(Math.max(...SALES)));
  const shapes = SALES.map((count) => ({
    label: counted(count, 'sale'),
    gateways: [target.url],
    saleIds: ids.slice(0, count),
  }));
  return measureTable(target, shapes, window, rounds, log);
}

async function growPrimaries(window: Window, rounds: number, log: Log): Promise<Row[]> {
  const target = await openTarget({ log, isCluster: true });
  try {
    const most = Math.max(...ON_PRIMARIES.map(([sales]) => sales));
    const ids = await findSaleIds(target.info?.redis ?? '', newId(), most);
    const shapes = ON_PRIMARIES.map(([sales, primaries]) => ({
      label: `${counted(sales, 'sale')} on ${primaries === 1 ? '1 primary' : `${primaries} primaries`}`,
      gateways: [target.url],
      // The primaries take turns.
      saleIds: Array.from(
        { length: sales },
        (_, index) => ids[index % primaries]?.[Math.floor(index / primaries)] ?? '',
      ),
    }));
    await createSales(target, [...new Set(shapes.flatMap(({ saleIds }) => saleIds))]);
    return await measureTable(target, shapes, window, rounds, log);
  } finally {
    await target.close();
  }
}

async function growIntakes(
  target: Target,
  { backlogMs, connections }: Window & { backlogMs: number },
  rounds: number,
  log: Log,
): Promise<Row[]> {
  const intakes = new Intakes(target);
  await intakes.begin();
  const samples = INTAKES.map((): Row['samples'] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const place of inTurn(INTAKES.length, round)) {
      const count = INTAKES[place] ?? 1;
      await intakes.become(count);
      const [saleId = ''] = await createSales(target, newIds(1));
      const cost = await intakes.drain(saleId, backlogMs, connections);
      samples[place]?.push(cost);
      log(`round ${round + 1}  ${counted(count, 'intake')}, ${cost.orders} orders: ${toText(cost)}`);
    }
  }
  return toRows(
    INTAKES.map((count) => counted(count, 'intake')),
    samples,
  );
}

async function measureTable(
  target: Target,
  shapes: Shape[],
  window: Window,
  rounds: number,
  log: Log,
): Promise<Row[]> {
  const samples = shapes.map((): Row['samples'] => []);
  // A process compiles during its first orders, which is nobody's growth.
  for (const shape of shapes) await measureShape(target, shape, window);
  for (let round = 0; round < rounds; round += 1) {
    for (const place of inTurn(shapes.length, round)) {
      const shape = shapes[place];
      if (shape === undefined) continue;
      const cost = await measureShape(target, shape, window);
      samples[place]?.push(cost);
      log(`round ${round + 1}  ${shape.label}: ${toText(cost)} (${toParts(cost.cpuUsByProcess)})`);
    }
  }
  return toRows(
    shapes.map(({ label }) => label),
    samples,
  );
}

/** Every second round goes the other way, so that what drifts meets all alike. */
function inTurn(count: number, round: number): number[] {
  const places = Array.from({ length: count }, (_, index) => index);
  return round % 2 === 0 ? places : places.reverse();
}

function toRows(labels: string[], samples: Row['samples'][]): Row[] {
  const rows = labels.map((label, place) => {
    const own = samples[place] ?? [];
    return {
      label,
      cpuUs: median(own.map(({ cpuUs }) => cpuUs)),
      perSecond: median(own.map(({ perSecond }) => perSecond)),
      samples: own,
    };
  });
  const first = rows[0]?.cpuUs ?? NaN;
  return rows.map((row) => ({ ...row, ratio: row.cpuUs / first }));
}

const toText = ({ cpuUs, perSecond }: { cpuUs: number; perSecond: number }): string =>
  `${Math.round(cpuUs)} µs of CPU an order, ${Math.round(perSecond)} a second`;

const toParts = (parts: Record<string, number>): string =>
  Object.entries(parts)
    .map(([name, us]) => `${name} ${Math.round(us)}`)
    .join(', ');

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const newId = (): string => `bench-${randomBytes(6).toString('hex')}`;
const newIds = (count: number): string[] => Array.from({ length: count }, newId);

async function createSales(target: Target, ids: string[]): Promise<string[]> {
  for (const id of ids) await createSale(target, id, limitlessSale(PLENTY), Date.now());
  return ids;
}
