import { formatInstant, type SaleExplanation } from '@seckill/contracts';
import type { Language } from '@seckill/runtime';
import { findCauses } from './find-causes.ts';
import { countedState, itemStandings, leastQuantity, stateOf, type Known } from './known.ts';

/** Why a sale sells or not, and where its units are, from what the services could tell. */
export function explain(saleId: string, known: Known, language: Language): SaleExplanation {
  const because = findCauses(known, language);
  const state = stateOf(known);
  const redis = redisSide(known);
  const ledger = ledgerSide(known);
  return {
    saleId,
    ...(state === undefined ? {} : { state }),
    selling: state === 'open' && because.every(({ stops }) => stops !== 'all') && hasGoods(known),
    because,
    items: itemsOf(known),
    ...(redis === undefined ? {} : { redis }),
    ...(ledger === undefined ? {} : { ledger }),
    onTheWay: onTheWay(known),
  };
}

/** Some item could be reserved in the least quantity. */
function hasGoods(known: Known): boolean {
  return itemStandings(known).some((item) => item.paused !== true && item.available >= leastQuantity(item));
}

function redisSide({ stock }: Known): SaleExplanation['redis'] {
  if (stock?.state?.gate !== 'open') return undefined;
  const { now, items } = stock.state;
  const counts = items.map(({ sku, total, available, held, paid }) => ({
    sku,
    total,
    available,
    held,
    paid,
  }));
  return { asOf: formatInstant(now), items: counts };
}

function ledgerSide({ order }: Known): SaleExplanation['ledger'] {
  return order === undefined ? undefined : { asOf: formatInstant(order.now), items: order.items };
}

/**
 * The counts of Redis, which decide what is sold. Redis counts units that were written off as paid (D67), and
 * only the ledger tells the two apart. What was written off is therefore taken out of `paid` here. A
 * write-off that Redis has not heard of yet could be more than all it has, so `paid` stops at 0. Without
 * Redis, the counts of the ledger are told.
 */
function itemsOf(known: Known): SaleExplanation['items'] {
  const { order } = known;
  const counted = countedState(known);
  const ledger = new Map(order?.items.map((item) => [item.sku, item]));
  if (counted !== undefined) {
    return counted.items.map(({ sku, total, available, held, paid }) => {
      const item = ledger.get(sku);
      if (item === undefined) return { sku, total, available, held, paid };
      const writtenOff = Math.min(item.writtenOff, paid);
      return { sku, total, available, held, paid: paid - writtenOff, returned: item.returned, writtenOff };
    });
  }
  return [...ledger.values()].map(({ sku, total, pending: held, paid, returned, writtenOff }) => {
    const available = total - held - paid - writtenOff;
    return { sku, total, available, held, paid, returned, writtenOff };
  });
}

function onTheWay({ stock, order }: Known): SaleExplanation['onTheWay'] {
  const { state } = stock ?? {};
  const isSame = state !== undefined && state.gate === 'open' && order?.stored?.epoch === state.epoch;
  return {
    ...(state === undefined ? {} : { outbox: state.outbox }),
    ...(stock?.outboxMax === undefined ? {} : { outboxMax: stock.outboxMax }),
    // The sequences are read one after the other: what was stored in between is no negative number.
    ...(isSame ? { unstored: Math.max(0, state.sequence - (order.stored?.sequence ?? 0)) } : {}),
    ...(order === undefined ? {} : { settlements: order.outbox.count }),
  };
}
