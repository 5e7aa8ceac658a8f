import {
  formatInstant,
  type Announcement,
  type FailedLine,
  type ReserveAnswer,
  type ReserveItem,
} from '@seckill/contracts';
import type { TimeBounds } from './redis-time.ts';

export type CertainRejection = Extract<
  ReserveAnswer,
  { outcome: 'sale_closed' | 'sale_paused' | 'sale_not_open' | 'item_paused' | 'sold_out' }
>;

/**
 * Older states decide nothing: units that come back are on sale at every gateway within this second
 * (docs/recovery.md).
 */
const AGE_MS_MAX = 1_000;
/** Redis tells whole milliseconds. A state that lies further in the future means that a clock was set. */
const ROUNDING_MS = 2;

/** Whether a state may be told that was true at this instant of Redis' clock. */
export function isFresh(asOf: number, { latest }: TimeBounds): boolean {
  const age = latest - asOf;
  return age < AGE_MS_MAX && age >= -ROUNDING_MS;
}

/**
 * Tells how reserve.lua would reject this request, in its order of precedence, if that is certain, else
 * undefined. `asOf`: the instant of Redis' clock at which the state was true. The function looks at no keys:
 * the caller must know that this one has not reserved. No buyer and no count of a channel is known here, so
 * `retryable` is what a buyer hears who has nothing of the sale, in a channel that has paid nothing (D97).
 */
export function certainRejection(
  state: Announcement,
  channels: ReadonlySet<string>,
  item: Pick<ReserveItem, 'lines' | 'channelId'>,
  { asOf, bounds }: { asOf: number; bounds: TimeBounds },
): CertainRejection | undefined {
  const { earliest, latest } = bounds;
  if (!isFresh(asOf, bounds) || state.gate !== 'open') return undefined;
  if (state.state === 'closed' || asOf >= state.closesAt) return { outcome: 'sale_closed' };
  // The sale may be over by now.
  if (latest >= state.closesAt) return undefined;
  if (state.state === 'paused') return { outcome: 'sale_paused' };
  if (latest < state.opensAt) {
    // The time counts from the earliest bound, so whoever waits this long finds the sale open.
    const waitMs = Math.ceil(state.opensAt - earliest);
    return { outcome: 'sale_not_open', opensAt: formatInstant(state.opensAt), waitMs };
  }
  if (earliest < state.opensAt) return undefined;
  return notForSale(state, channels, item);
}

function notForSale(
  state: Announcement,
  channels: ReadonlySet<string>,
  { lines: asked, channelId }: Pick<ReserveItem, 'lines' | 'channelId'>,
): CertainRejection | undefined {
  const { items, kits, limitPerBuyer, capMin } = state;
  // An unknown channel comes first, and may be known by now. Stock tells.
  if (channelId !== undefined && !channels.has(channelId)) return undefined;
  // One pass without copies: this runs for each "no" of a crowd, and closures and copies cost it 4 µs.
  const lines: FailedLine[] = [];
  let units = 0;
  let final = true;
  let retryable = true;
  let pausedSku: string | undefined;
  const kitViews = kits === undefined ? undefined : viewsOf(state, asked);
  const views = kitViews?.views;
  if (kitViews?.mayComeBack === false) retryable = false;
  for (const [place, { sku, quantity }] of asked.entries()) {
    const item = views === undefined ? items.find((one) => one.sku === sku) : views[place];
    // An unknown SKU may have come after this state as well.
    if (item === undefined) return undefined;
    const { total, available, held, paused, minQuantity = 1, step = 1, limitPerBuyer: limit } = item;
    // And stock tells which quantities are sold.
    if (quantity < minQuantity || quantity % step > 0) return undefined;
    const left = available + held;
    units += quantity * (views?.[place]?.each ?? 1);
    if (total === 0 || left > 0) final = false;
    if ((total > 0 && left < quantity) || (limit !== undefined && quantity > limit)) retryable = false;
    if (paused === true) {
      lines.push({ sku, code: 'item_paused', available });
      pausedSku ??= sku;
    } else if (available < quantity) lines.push({ sku, code: 'sold_out', available });
  }
  const [short] = lines;
  if (short === undefined) return undefined;
  // The request may be for more than the channel's cap, which only stock knows.
  if (channelId !== undefined && capMin !== undefined && units > capMin) return undefined;
  if (limitPerBuyer !== undefined && units > limitPerBuyer) retryable = false;
  if (pausedSku !== undefined) return { outcome: 'item_paused', sku: pausedSku, retryable, lines };
  const { sku, available = 0 } = short;
  return { outcome: 'sold_out', sku, available, final, retryable, lines };
}

interface LineView extends Omit<Announcement['items'][number], 'sku'> {
  /** Units that one of it takes. */
  each: number;
}

interface KitViews {
  /** What each line may have: undefined for a SKU that is not known. */
  views: (LineView | undefined)[];
  /** What all lines together want of an item may come back, and is within its own limit; of every item. */
  mayComeBack: boolean;
}

/**
 * What the lines of a request may have that names a kit; undefined if it names none. The lines are looked at
 * as reserve.lua does, one after the other: what one could have, the next cannot.
 */
function viewsOf({ items, kits = [] }: Announcement, asked: ReserveItem['lines']): KitViews | undefined {
  if (!asked.some(({ sku }) => kits.some((kit) => kit.sku === sku))) return undefined;
  const left = new Map(items.map((item) => [item.sku, item.available]));
  const back = new Map(items.map((item) => [item.sku, item.available + item.held]));
  const units = new Map<string, number>();
  const views = asked.map(({ sku, quantity }): LineView | undefined => {
    const kit = kits.find((one) => one.sku === sku);
    const parts = kit?.parts ?? [{ sku, quantity: 1 }];
    const own = items.find((one) => one.sku === sku);
    const found = parts.map((part) => ({ ...part, item: items.find((one) => one.sku === part.sku) }));
    if (found.some(({ item }) => item === undefined)) return undefined;
    const most = (of: (sku: string) => number) =>
      Math.min(...parts.map((part) => Math.floor(of(part.sku) / part.quantity)));
    const available = most((part) => left.get(part) ?? 0);
    const couldBe = most((part) => back.get(part) ?? 0);
    const total = most((part) => items.find((one) => one.sku === part)?.total ?? 0);
    for (const part of parts) {
      const wanted = quantity * part.quantity;
      if (available >= quantity) left.set(part.sku, (left.get(part.sku) ?? 0) - wanted);
      if (couldBe >= quantity) back.set(part.sku, (back.get(part.sku) ?? 0) - wanted);
      units.set(part.sku, (units.get(part.sku) ?? 0) + wanted);
    }
    const isPaused = kit?.paused === true || found.some(({ item }) => item?.paused === true);
    const { minQuantity, step } = kit ?? own ?? {};
    return {
      total,
      available,
      held: couldBe - available,
      each: parts.reduce((sum, part) => sum + part.quantity, 0),
      ...(isPaused ? { paused: true } : {}),
      ...(minQuantity === undefined ? {} : { minQuantity }),
      ...(step === undefined ? {} : { step }),
    };
  });
  const mayComeBack = items.every(({ sku, total, available, held, limitPerBuyer = Infinity }) => {
    const wanted = units.get(sku) ?? 0;
    return wanted <= limitPerBuyer && (total === 0 || wanted <= available + held);
  });
  return { views, mayComeBack };
}
