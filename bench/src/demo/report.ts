import type { DemoResult, DemoSale } from '@seckill/contracts';
import { INVARIANTS, type Finding } from '../audit/judge.ts';
import { describeInFlight, type Reading } from '../audit/reading.ts';
import { liveOrders, unitsOf } from '../audit/units.ts';
import type { History } from '../audit/history.ts';

/**
 * Makes the demo's result in units (docs/http-api.md, "The demo's result"): what the crowd heard beside what
 * the engines hold.
 */
export function resultOf(
  reading: Reading,
  history: History,
  findings: Finding[],
  seconds: number,
): DemoResult {
  const invariants = Object.fromEntries(
    Object.keys(INVARIANTS).map((name) => [name, !findings.some(({ invariant }) => invariant === name)]),
  );
  const sales = reading.sales.map(({ definition, orders, ledger }): DemoSale => {
    const live = liveOrders(orders);
    const oversold = ledger.reduce((sum, { sku, total }) => sum + Math.max(0, unitsOf(live, sku) - total), 0);
    return {
      saleId: definition.id,
      total: ledger.reduce((sum, { total }) => sum + total, 0),
      acceptedUnits: history.acceptedUnits(definition.id),
      storedUnits: unitsOf(orders),
      liveUnits: unitsOf(live),
      paidUnits: unitsOf(orders.filter(({ status }) => status === 'paid')),
      oversold,
      rejected: Object.fromEntries(history.rejected.get(definition.id) ?? []),
    };
  });
  return {
    ok: findings.length === 0,
    invariants,
    sales,
    seconds: Math.round(seconds * 10) / 10,
  };
}

const COLUMNS = [
  'sale',
  'sku',
  'total',
  'available',
  'held',
  'paid',
  'orders',
  'pending',
  'paid',
  'ended',
  'refused',
] as const;

/** Formats the audit as a table with an item a row, Redis to the left and Postgres to the right. */
export function formatAudit(reading: Reading): string[] {
  const rows = reading.sales.flatMap(({ definition, lane, orders, ledger }) =>
    ledger.map(({ sku, total }): string[] => {
      const item = lane.items.find((one) => one.sku === sku);
      const units = (status: string) =>
        unitsOf(
          orders.filter((row) => row.status === status),
          sku,
        );
      const withSku = orders.filter(({ lines }) => lines.some((line) => line.sku === sku)).length;
      const counts = [
        total,
        item?.available ?? '-',
        item?.held ?? '-',
        item?.paid ?? '-',
        withSku,
        units('pending'),
        units('paid'),
        units('cancelled') + units('expired'),
        units('refused'),
      ];
      return [definition.id, sku, ...counts.map(String)];
    }),
  );
  const widths = COLUMNS.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  const indent = (widths[0] ?? 0) + (widths[1] ?? 0) + 4;
  const redisWidth = widths.slice(2, 6).reduce((sum, width) => sum + width + 2, 0);
  return [
    `${' '.repeat(indent)}${'Redis, units'.padEnd(redisWidth)}Postgres, orders and units`,
    line(COLUMNS),
    ...rows.map(line),
    '',
    `in flight: ${describeInFlight(reading)
      .map(({ name, count }) => `${name} ${count}`)
      .join(', ')}; dead letters ${reading.deadLetters}`,
  ];
}

/**
 * Formats the verdicts. `crowded` names the sales that far more people wanted than there were units. Only for
 * these sales the demo checked whether every unit ends paid, so only for these it says so.
 */
export function formatVerdicts(
  findings: Finding[],
  saleIds: string[],
  crowded: ReadonlySet<string>,
): string[] {
  return Object.entries(INVARIANTS).flatMap(([name, words]) => {
    const statement = name === 'INV-5' ? `${words}, ${endOf(saleIds, crowded)}` : words;
    const broken = findings.filter(({ invariant }) => invariant === name);
    if (broken.length === 0) return [`${name}  holds   ${statement}`];
    const shown = broken.slice(0, 5).map(({ text }) => `         - ${text}`);
    const more = broken.length > 5 ? [`         - and ${broken.length - 5} more`] : [];
    return [`${name}  BROKEN  ${statement}`, ...shown, ...more];
  });
}

function endOf(saleIds: string[], crowded: ReadonlySet<string>): string {
  const sold = saleIds.filter((saleId) => crowded.has(saleId));
  if (sold.length === saleIds.length) return 'and every unit ends paid';
  const few = 'fewer than two buyers a unit: some units may be left';
  return sold.length === 0 ? few : `and every unit of ${sold.join(', ')} ends paid (elsewhere ${few})`;
}
