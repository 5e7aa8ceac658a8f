import { formatInstant, type Announcement, type ReserveAnswer, type ReserveItem } from '@seckill/contracts';
import type { TimeBounds } from './redis-time.ts';

export type CertainRejection = Extract<
  ReserveAnswer,
  { outcome: 'sale_closed' | 'sale_paused' | 'sale_not_open' | 'sold_out' }
>;

/**
 * Older states decide nothing: units that come back are on sale at every gateway within this second
 * (docs/recovery.md).
 */
const AGE_MS_MAX = 1_000;
/** Redis tells whole milliseconds. A state that lies further in the future means that a clock was set. */
const ROUNDING_MS = 2;

/** Whether a state may be told. */
export function isFresh({ now }: Pick<Announcement, 'now'>, { latest }: TimeBounds): boolean {
  const age = latest - now;
  return age < AGE_MS_MAX && age >= -ROUNDING_MS;
}

/**
 * Tells how reserve.lua would reject this request, in its order of precedence, if that is certain, else
 * undefined. The function looks at no keys: the caller must know that this one has not reserved.
 */
export function certainRejection(
  state: Announcement,
  channels: ReadonlySet<string>,
  item: Pick<ReserveItem, 'lines' | 'channelId'>,
  bounds: TimeBounds,
): CertainRejection | undefined {
  const { earliest, latest } = bounds;
  if (!isFresh(state, bounds) || state.gate !== 'open') return undefined;
  if (state.state === 'closed' || state.now >= state.closesAt) return { outcome: 'sale_closed' };
  // The sale may be over by now.
  if (latest >= state.closesAt) return undefined;
  if (state.state === 'paused') return { outcome: 'sale_paused' };
  if (latest < state.opensAt) {
    // The time counts from the earliest bound, so whoever waits this long finds the sale open.
    const waitMs = Math.ceil(state.opensAt - earliest);
    return { outcome: 'sale_not_open', opensAt: formatInstant(state.opensAt), waitMs };
  }
  if (earliest < state.opensAt) return undefined;
  return soldOut(state, channels, item);
}

function soldOut(
  { items }: Announcement,
  channels: ReadonlySet<string>,
  { lines, channelId }: Pick<ReserveItem, 'lines' | 'channelId'>,
): CertainRejection | undefined {
  const found = lines.map(({ sku, quantity }) => ({ quantity, item: items.find((one) => one.sku === sku) }));
  // An unknown SKU or channel comes first, and may be known by now. Stock tells.
  if (found.some(({ item }) => item === undefined)) return undefined;
  if (channelId !== undefined && !channels.has(channelId)) return undefined;
  const short = found.find(({ item, quantity }) => item !== undefined && item.available < quantity)?.item;
  if (short === undefined) return undefined;
  const { sku, available, held } = short;
  return { outcome: 'sold_out', sku, available, final: available + held === 0 };
}
