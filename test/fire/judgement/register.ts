import type { Change } from '../operator.ts';
import type { FireSale } from '../sales.ts';
import type { Facts } from './verdict.ts';

interface Event {
  at: number;
  /** Units of one item that are there from then on, or that somebody has. */
  there: number;
  taken: number;
}

/**
 * INV-1 at every moment, also between two looks: an item is a register of units from which each order takes
 * and to which some give back, and there is an order of these steps, each within its time, in which no more
 * is taken than is there. A take is an instant: `reserved_at`, by Redis' clock. A unit is back at `ended_at`
 * or at the return's time at the earliest, which Redis learns of later. A total that grows is taken for grown
 * when it was asked for, and one that shrinks for shrunk when the answer was there. All clocks are those of
 * one machine.
 */
export function judgeRegister(facts: Facts, sales: FireSale[], changes: Change[]): string[] {
  return sales.flatMap(({ id, items }) =>
    items.flatMap(({ sku, total }) => {
      let there = total;
      let taken = 0;
      for (const event of eventsOf(facts, changes, id, sku)) {
        there += event.there;
        taken += event.taken;
        if (taken > there) {
          const when = new Date(event.at).toISOString();
          return [`INV-1: ${taken} units of ${id} ${sku} were taken at ${when}, and there were ${there}`];
        }
      }
      return [];
    }),
  );
}

/** At one moment what is given comes first. */
function eventsOf(facts: Facts, changes: Change[], saleId: string, sku: string): Event[] {
  const events: Event[] = changes
    .filter((change) => change.saleId === saleId && change.sku === sku)
    .flatMap(({ units, from, until }) => {
      const at = units > 0 ? from : until;
      return at === undefined ? [] : [{ at, there: units, taken: 0 }];
    });
  const unitsOf = (lines: { sku: string; quantity: number }[]): number =>
    lines.filter((line) => line.sku === sku).reduce((sum, { quantity }) => sum + quantity, 0);
  const retakes = new Map(
    facts.retakes
      .filter(({ verdict }) => verdict === 'paid')
      .map(({ order_id, stored_at }) => [order_id, stored_at]),
  );
  for (const order of facts.orders) {
    // What Redis lost was taken, and nobody gave it back: the load made it anew.
    if (order.sale_id !== saleId || order.status === 'refused' || facts.lost.has(order.id)) continue;
    const taken = unitsOf(order.lines);
    // If an order's money came late, only the second hold is looked at: when the first ended is not kept.
    const from = retakes.get(order.id) ?? order.reserved_at;
    events.push({ at: from.getTime(), there: 0, taken });
    if (order.ended_at !== null) events.push({ at: order.ended_at.getTime(), there: 0, taken: -taken });
    for (const { at, lines } of order.taken_back) {
      events.push({ at: at.getTime(), there: 0, taken: -unitsOf(lines) });
    }
  }
  return events.filter(({ there, taken }) => there !== 0 || taken !== 0).sort(inTime);
}

function inTime(one: Event, other: Event): number {
  return one.at - other.at || one.taken - one.there - (other.taken - other.there);
}
