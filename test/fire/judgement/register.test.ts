// Goal: the fire test finds the one moment at which more was taken than was there, however soon it was over,
// and nothing where each step is within its time. Method: histories of an item of ten units, by hand.
import t from 'tap';
import type { StoredOrder } from '../ledger-reader.ts';
import type { Change } from '../operator.ts';
import { judgeRegister } from './register.ts';
import type { Facts } from './verdict.ts';

const SALES = [{ id: 's', items: [{ sku: 'a', price: 100, total: 10, step: 1 }], channels: [] }];

/** @param endedAt of the order; absent: it is paid. */
function order(id: string, at: number, quantity: number, endedAt?: number): StoredOrder {
  return {
    ...{ id, sale_id: 's', lane: 0, epoch: 1, sequence: 1, user_id: `u${id}`, idempotency_key: 'k' },
    ...{ channel_id: null, refusal: null, amount: 100, stored_at: new Date(at), refused_at: null },
    ...{ returns: 0, due: 0, taken_back: [], lines: [{ sku: 'a', quantity }] },
    status: endedAt === undefined ? 'paid' : 'expired',
    reserved_at: new Date(at),
    ended_at: endedAt === undefined ? null : new Date(endedAt),
  };
}

function facts(orders: StoredOrder[], changes: Partial<Facts> = {}): Facts {
  return {
    ...{ orders, payments: [], retakes: [], kept: new Map(), denied: [], told: [] },
    ...{ returned: new Map(), pauses: [], notFound: new Set(), lost: new Set<string>() },
    ...changes,
  };
}

const total = (units: number, from: number, until?: number): Change => ({
  ...{ saleId: 's', sku: 'a', units, from },
  ...(until === undefined ? {} : { until }),
});
const retake = (verdict: string) => ({
  ...{ order_id: '1', sale_id: 's', lane: 0, epoch: 1, sequence: 2, verdict, stored_at: new Date(50) },
});

await t.test('what is within its time is an order of steps', (t) => {
  const histories: [name: string, given: Facts, changes?: Change[]][] = [
    ['everything is sold', facts([order('1', 10, 6), order('2', 20, 4)])],
    ['units that came back are sold again', facts([order('1', 10, 10, 20), order('2', 20, 10)])],
    ['units that were added are sold', facts([order('1', 10, 12)]), [total(2, 10)]],
    ['units that nobody has are taken out', facts([order('1', 10, 8)]), [total(-2, 5, 9)]],
    ['what is being taken out may still be sold', facts([order('1', 10, 10, 12)]), [total(-2, 5, 13)]],
    [
      'an order that is refused has taken nothing',
      facts([order('1', 10, 10), { ...order('2', 11, 1), status: 'refused' }]),
    ],
    [
      'what Redis lost is forgotten',
      facts([order('1', 10, 10), order('2', 11, 1)], { lost: new Set(['1']) }),
    ],
    [
      'late money takes units when it is stored',
      facts([order('1', 10, 10), order('2', 30, 10, 40)], { retakes: [retake('paid')] }),
    ],
    [
      'a returned unit is sold again',
      facts([
        { ...order('1', 10, 10), taken_back: [{ at: new Date(20), lines: [{ sku: 'a', quantity: 1 }] }] },
        order('2', 21, 1),
      ]),
    ],
  ];
  for (const [name, given, changes = []] of histories) t.same(judgeRegister(given, SALES, changes), [], name);
  t.end();
});

await t.test('one moment at which too much is taken is enough', (t) => {
  const histories: [name: string, given: Facts, changes?: Change[]][] = [
    ['one unit too many', facts([order('1', 10, 10), order('2', 20, 1)])],
    ['for one millisecond', facts([order('1', 10, 10, 21), order('2', 20, 1)])],
    ['before they were added', facts([order('1', 10, 12)]), [total(2, 11)]],
    ['after they were taken out', facts([order('1', 10, 10)]), [total(-1, 5, 9)]],
    [
      'a returned unit twice',
      facts([
        { ...order('1', 10, 10), taken_back: [{ at: new Date(20), lines: [{ sku: 'a', quantity: 1 }] }] },
        order('2', 21, 2),
      ]),
    ],
    ['beside late money', facts([order('1', 10, 10), order('2', 30, 10, 60)], { retakes: [retake('paid')] })],
  ];
  for (const [name, given, changes = []] of histories) {
    t.match(judgeRegister(given, SALES, changes), [/^INV-1: 1[0-2] .*of s a were taken|^INV-1: 20 /], name);
  }
  t.end();
});
