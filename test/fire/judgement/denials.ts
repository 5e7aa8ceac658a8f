import type { Asked, Denial, Wish } from '../crowd.ts';
import type { Change, Pause } from '../operator.ts';
import type { FireSale } from '../sales.ts';

export interface Told {
  sales: FireSale[];
  /** Every key, from when on it may have taken something. */
  asked: Asked[];
  denials: Denial[];
  changes: Change[];
  pauses: Pause[];
}

/** A gateway answers for so long from what it remembers (docs/architecture.md). */
const MEMORY_MS = 1_000;

/**
 * A "no" has a reason that may be true: whoever is told that nothing is left, or that the limit is reached,
 * could have found it so, if all that was asked for until then had been taken and nothing had come back.
 */
export function judgeDenials(told: Told): string[] {
  return told.denials.flatMap((denial) =>
    reasonsOf(denial).flatMap((reason) => {
      const why = doubt(told, denial, reason);
      return why === undefined
        ? []
        : [`truth: ${denial.userId} ${denial.key} was told ${reason.code}: ${why}`];
    }),
  );
}

interface Reason {
  code: string;
  sku?: string;
  available?: number;
}

const reasonsOf = ({ code, lines }: Denial): Reason[] => (lines.length > 0 ? lines : [{ code }]);

/** @returns what speaks against the reason; undefined: it may be true. */
function doubt(told: Told, denial: Denial, { code, sku, available }: Reason): string | undefined {
  const sale = told.sales.find(({ id }) => id === denial.saleId);
  if (sale === undefined) return 'of a sale that is not there';
  const wanted = unitsOf(denial, sku);
  const before = told.asked.filter(
    ({ wish, from, isNothing }) =>
      wish.saleId === denial.saleId && !isSame(wish, denial) && from <= denial.until && !isNothing,
  );
  const most = (wishes: Asked[]): number =>
    wishes.reduce((sum, { wish }) => sum + unitsOf(wish, sku), wanted);
  const beyond = (asked: number, bound: number | undefined): string | undefined =>
    bound === undefined || asked <= bound
      ? `${asked} were asked for until then, of ${bound ?? 'any'}`
      : undefined;
  if (code === 'sold_out') {
    if (available !== undefined && available >= wanted) return `${available} are there, ${wanted} are wanted`;
    const item = sale.items.find((one) => one.sku === sku);
    const less = told.changes
      .filter((change) => change.saleId === sale.id && change.sku === sku && change.units < 0)
      .reduce((sum, { units }) => sum + units, 0);
    return beyond(most(before), (item?.total ?? 0) + less);
  }
  if (code === 'limit_reached') {
    return beyond(most(before.filter(({ wish }) => wish.userId === denial.userId)), sale.limitPerBuyer);
  }
  if (code === 'channel_full') {
    const { channelId } = denial.body;
    const cap = sale.channels.find(({ id }) => id === channelId)?.cap;
    return beyond(most(before.filter(({ wish }) => wish.body.channelId === channelId)), cap);
  }
  if (code === 'sale_paused' || code === 'item_paused') {
    const isPaused = told.pauses.some(
      (pause) =>
        pause.saleId === sale.id &&
        pause.sku === sku &&
        pause.asked <= denial.until &&
        denial.from <= pause.ended + MEMORY_MS,
    );
    return isPaused ? undefined : 'nobody had paused it';
  }
  return 'nothing in these sales is a reason for it';
}

const isSame = (one: Wish, other: Wish): boolean => one.userId === other.userId && one.key === other.key;

function unitsOf({ body }: { body: Denial['body'] }, sku: string | undefined): number {
  return body.lines
    .filter((line) => sku === undefined || line.sku === sku)
    .reduce((sum, { quantity }) => sum + quantity, 0);
}
