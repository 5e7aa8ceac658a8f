import {
  CAUSES,
  fillGaps,
  formatInstant,
  type CauseCode,
  type CauseStops,
  type SaleCause,
} from '@seckill/contracts';
import type { Language } from '@seckill/runtime';
import {
  isUnheardOf,
  itemStandings,
  leastQuantity,
  stateOf,
  type ItemStanding,
  type Known,
} from './known.ts';

/** What is told of a cause beside its words. */
interface Facts extends Pick<SaleCause, 'by' | 'reason' | 'skus' | 'channels' | 'limits'> {
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  until?: number | undefined;
  /** Fills the gaps of the words. */
  values?: Record<string, string | number>;
}

/** What lies in an outbox for longer than this is late. A batch takes some milliseconds. */
const WAITS_MS = 10_000;

/** Why the sale sells nothing, or not all; what stops all comes first, in the order of `CAUSES`. */
export function findCauses(known: Known, language: Language): SaleCause[] {
  const causes: SaleCause[] = [];
  const add = (code: CauseCode, stops: CauseStops, facts: Facts = {}): void => {
    causes.push(toCause(code, stops, facts, language));
  };
  addUnreachable(known, add);
  addDecisions(known, add);
  addOutbox(known, add);
  addItems(known, add);
  addLimits(known, add);
  addSlow(known, add);
  return causes;
}

type Add = (code: CauseCode, stops: CauseStops, facts?: Facts) => void;

function toCause(
  code: CauseCode,
  stops: CauseStops,
  { since, until, values = {}, ...rest }: Facts,
  language: Language,
): SaleCause {
  const words = CAUSES[code];
  return {
    code,
    stops,
    ...(since === undefined ? {} : { since: formatInstant(since) }),
    ...(until === undefined ? {} : { until: formatInstant(until) }),
    ...rest,
    text: fillGaps(words.text[language], values),
    do: fillGaps(words.do[language], values),
  };
}

function addUnreachable(known: Known, add: Add): void {
  const { stock, order, stockAwaySince } = known;
  if (order?.record.retired !== undefined) return;
  if (stock === undefined) add('stock_away', 'all', { since: stockAwaySince });
  else if (stock.isDamaged === true) {
    // A part that can be read goes on selling until the sale is loaded anew.
    add('lane_damaged', stock.state === undefined ? 'all' : 'part', { since: stock.closedSince });
  } else if (stock.state === undefined) add('redis_away', 'all', { since: stock.closedSince });
  else if (isUnheardOf(known)) add('gate_missing', 'all');
  else if (stock.state.gate !== 'open') {
    add('gate_closed', 'all', { since: stock.closedSince, values: { gate: stock.state.gate } });
  }
}

/** What operators decided, and the window. */
function addDecisions(known: Known, add: Add): void {
  const { order, stock } = known;
  const window = order?.record.definition;
  const opensAt = window === undefined ? stock?.state?.opensAt : Date.parse(window.opensAt);
  const closesAt = window === undefined ? stock?.state?.closesAt : Date.parse(window.closesAt);
  const state = stateOf(known);
  if (state === 'closed') {
    const { at, ...decided } = order?.closed ?? { at: closesAt };
    add('sale_closed', 'all', { since: Math.min(at ?? Infinity, closesAt ?? Infinity), ...decided });
  } else if (state === 'paused') {
    const { at, ...decided } = order?.paused ?? { at: undefined };
    add('sale_paused', 'all', { since: at, ...decided });
  } else if (state === 'scheduled') add('sale_not_open', 'all', { until: opensAt });
}

function addOutbox({ stock }: Known, add: Add): void {
  if (stock?.state === undefined) return;
  const { state, outboxMax, oldestWaiting: since } = stock;
  if (outboxMax !== undefined && state.outbox >= outboxMax) {
    add('outbox_full', 'all', { since, values: { count: state.outbox, max: outboxMax } });
  }
}

function addItems(known: Known, add: Add): void {
  const { order } = known;
  if (stateOf(known) === 'closed') return;
  const items = itemStandings(known);
  const paused = items.filter((item) => item.paused === true);
  const namesOf = (some: ItemStanding[]) => some.map(({ sku }) => sku);
  if (paused.length > 0) {
    const [decided] = order?.pausedItems.toSorted((a, b) => b.at - a.at) ?? [];
    const { at, sku: _sku, ...who } = decided ?? {};
    add('item_paused', 'part', { skus: namesOf(paused), since: at, ...(paused.length === 1 ? who : {}) });
  }
  const lastOf = (some: ItemStanding[]) =>
    newest(order?.lastOfItems.filter(({ sku }) => namesOf(some).includes(sku)));
  const gone = items.filter(({ soldOut }) => soldOut === 'final');
  if (gone.length > 0) add('sold_out', 'part', { skus: namesOf(gone), since: lastOf(gone) });
  const held = items.filter(({ soldOut }) => soldOut === 'held');
  if (held.length > 0) add('sold_out_for_now', 'part', { skus: namesOf(held), since: lastOf(held) });
  const few = items.filter((item) => item.soldOut === 'no' && item.available < leastQuantity(item));
  if (few.length > 0) add('too_few_left', 'part', { skus: namesOf(few), since: lastOf(few) });
}

function addLimits(known: Known, add: Add): void {
  const { stock, order } = known;
  if (stateOf(known) === 'closed') return;
  const full = stock?.fullChannels ?? [];
  if (full.length > 0) {
    const last = order?.lastOfChannels.filter(({ channelId }) => full.includes(channelId));
    add('channel_full', 'part', { channels: full, since: newest(last) });
  }
  const count = order?.buyersAtLimit ?? 0;
  if (count === 0) return;
  const reached = order?.limitsReached ?? [];
  add('limit_reached', 'part', {
    since: reached.length === 0 ? undefined : Math.min(...reached.map(({ since }) => since)),
    ...(reached.length === 0 ? {} : { limits: reached.map(({ since: _since, ...limit }) => limit) }),
    values: { count },
  });
}

/** What stands still behind a sale that sells. */
function addSlow({ stock, order, orderAway }: Known, add: Add): void {
  if (stock !== undefined && stock.kafka === undefined) add('stock_older', 'nothing');
  if (orderAway !== undefined) add(orderAway.cause, 'nothing', { since: orderAway.since });
  const count = stock?.state?.outbox ?? 0;
  const values = { count, max: stock?.outboxMax ?? 0 };
  const since = stock?.oldestWaiting;
  if (stock?.kafka === 'away') {
    add('kafka_away', 'nothing', { since: since ?? stock.kafkaAwaySince, values });
  } else if (count > 0 && isLate(since, stock?.state?.now)) add('outbox_waits', 'nothing', { since, values });
  if (order === undefined) return;
  const { outbox, now, record, changedAt } = order;
  if (isLate(outbox.oldestAt, now)) {
    add('settlements_wait', 'nothing', { since: outbox.oldestAt, values: { count: outbox.count } });
  }
  if (!record.acknowledged && record.retired === undefined) {
    add('change_unconfirmed', 'nothing', { since: changedAt });
  }
}

const isLate = (since: number | undefined, now: number | undefined): boolean =>
  since !== undefined && now !== undefined && now - since > WAITS_MS;

const newest = (some: readonly { at: number }[] | undefined): number | undefined =>
  some === undefined || some.length === 0 ? undefined : Math.max(...some.map(({ at }) => at));
