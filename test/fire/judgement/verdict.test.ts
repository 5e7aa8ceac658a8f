// Goal: the judgement of the fire test finds each thing that must not be, under its name, and nothing where
// all is well. Method: facts of a run in which all is well; each test bends one of them.
import t from 'tap';
import type { StoredOrder, StoredRetake } from '../ledger-reader.ts';
import { judgeRefusals } from './refusals.ts';
import * as verdict from './verdict.ts';

function order(id: string, changes: Partial<StoredOrder> = {}): StoredOrder {
  return {
    id,
    sale_id: 's',
    lane: 0,
    epoch: 1,
    sequence: Number(id),
    user_id: `u-${id}`,
    idempotency_key: `k-${id}`,
    channel_id: null,
    status: 'paid',
    refusal: null,
    amount: 100,
    reserved_at: new Date(1_000),
    stored_at: new Date(1_100),
    refused_at: null,
    ended_at: null,
    taken_back: [],
    lines: [{ sku: 'a', quantity: 1 }],
    returns: 0,
    due: 0,
    ...changes,
  };
}

/** An order of epoch 2, reserved after what epoch 1 lost. */
const refused = (refusal: string, changes: Partial<StoredOrder> = {}): StoredOrder =>
  order('4', {
    status: 'refused',
    refusal,
    epoch: 2,
    reserved_at: new Date(1_050),
    refused_at: new Date(1_200),
    ...changes,
  });

const wish = (id: string) => ({
  saleId: 's',
  userId: `u-${id}`,
  key: `k-${id}`,
  body: { lines: [{ sku: 'a', quantity: 1 }] },
});
const no = (id: string) => ({ ...wish(id), from: 1_000, until: 1_100, code: 'sold_out', lines: [] });
const back = (due: number) => ({ count: 1, due });
const payment = (order_id: string, changes = {}) => ({
  payment_id: `p-${order_id}`,
  order_id,
  amount: 100,
  result: 'paid',
  ...changes,
});

/** One order that is paid, and one that has expired. */
function facts(changes: Partial<verdict.Facts> = {}): verdict.Facts {
  return {
    orders: [order('1'), order('2', { status: 'expired' })],
    payments: [payment('1')],
    retakes: [],
    kept: new Map([
      ['1', wish('1')],
      ['2', wish('2')],
    ]),
    denied: [no('3')],
    told: [{ paymentId: 'p-1', orderId: '1', amount: 100, result: 'paid' as const }],
    returned: new Map(),
    pauses: [{ saleId: 's', from: 2_000, until: 3_000, asked: 1_900, ended: 3_100 }],
    notFound: new Set(),
    lost: new Set(),
    ...changes,
  };
}

const all = (given: verdict.Facts): string[] => [
  ...verdict.judgeKeysHeard(given),
  ...judgeRefusals(given).findings,
  ...verdict.judgeMoneyKept(given),
  ...verdict.judgePauses(given),
  ...verdict.judgeFound(given),
];

await t.test('where all is well there is nothing to find', async (t) => {
  t.same(all(facts()), []);
});

await t.test('each thing that must not be is found', async (t) => {
  const two = facts().orders;
  const bent: [name: string, changes: Partial<verdict.Facts>, found: RegExp][] = [
    ['an order of a key that heard "no"', { denied: [no('2')] }, /^INV-4: 2 .*heard "no"/],
    [
      'an order that nobody was told of',
      { kept: new Map([['1', wish('1')]]) },
      /^INV-4: 2 .*nobody was told/,
    ],
    ['an order refused for nothing', { orders: [...two, refused('ledger')] }, /^INV-2: 4 is refused/],
    ['an order that was promised and not found', { notFound: new Set(['1']) }, /^INV-2: 1 .*not found/],
    ['a payment that is gone', { payments: [] }, /^money: p-1 was answered paid and is gone/],
    [
      'an order that is paid twice',
      { payments: [payment('1'), payment('1', { payment_id: 'p-other' })] },
      /^money: 1 is paid by 2 payments/,
    ],
    [
      'money in an order that is not paid',
      { payments: [payment('1'), payment('2')] },
      /paid 2, which is not paid/,
    ],
    [
      'money that stays undecided',
      { payments: [payment('1'), payment('2', { result: 'recorded' })] },
      /stays recorded/,
    ],
    ['another amount', { payments: [payment('1', { amount: 99 })] }, /paid 99, not the order's amount/],
    [
      'a return nobody asked for',
      { orders: [order('1', { returns: 1, due: 100 })] },
      /1 returns of 1, 0 were/,
    ],
    ['a return that was lost', { returned: new Map([['1', back(100)]]) }, /0 returns of 1, 1 were/],
    [
      'a return for which too much is due',
      { orders: [order('1', { returns: 1, due: 100 })], returned: new Map([['1', back(50)]]) },
      /100 are due of 1, and 50 is what came back/,
    ],
    [
      'a return for which too little is due',
      { orders: [order('1', { returns: 1, due: 0 })], returned: new Map([['1', back(50)]]) },
      /0 are due of 1, and 50 is what came back/,
    ],
    [
      'a reservation while the sale is paused',
      { orders: [order('1', { reserved_at: new Date(2_500) })] },
      /^pause: 1 was reserved while s was paused/,
    ],
  ];
  for (const [name, changes, found] of bent) {
    const findings = all(facts(changes));
    t.ok(
      findings.some((text) => found.test(text)),
      `${name}: ${findings.join('; ')}`,
    );
  }
});

await t.test('a reservation is in the outbox until Kafka has it', (t) => {
  t.match(verdict.judgeOutbox(new Set(['1', '2']), new Set(['2'])), [/^INV-2: 1 left the outbox/]);
  t.same(verdict.judgeOutbox(new Set(), new Set()), []);
  t.end();
});

await t.test('what Redis lost is not held against anybody', async (t) => {
  const lost = new Set(['2', '3']);
  t.same(all(facts({ lost, denied: [no('2')], notFound: new Set(['3']) })), []);
});

await t.test('an order is refused only for what was lost, came late and was in its way', (t) => {
  const lost = new Set(['9']);
  const late = (changes: Partial<StoredOrder> = {}) => order('9', changes);
  const other = { lines: [{ sku: 'b', quantity: 1 }] };
  const retaken = { verdict: 'paid', stored_at: new Date(1_300) };
  const cases: [name: string, isExcused: boolean, orders: StoredOrder[], retakes?: StoredRetake[]][] = [
    ['ledger: the late one took the units', true, [late(), refused('ledger')]],
    ['ledger: units of another item', false, [late(other), refused('ledger')]],
    ['ledger: in another sale', false, [late({ sale_id: 'other' }), refused('ledger')]],
    ['ledger: it was not lost', false, [order('8'), refused('ledger')]],
    ['ledger: it is refused itself', false, [late({ status: 'refused' }), refused('ledger')]],
    ['ledger: it was stored after', false, [late({ stored_at: new Date(1_201) }), refused('ledger')]],
    ['ledger: it was reserved after', false, [late({ reserved_at: new Date(1_051) }), refused('ledger')]],
    ['ledger: it is of a later epoch', false, [late({ epoch: 3 }), refused('ledger')]],
    ['limit: of the same buyer', true, [late({ ...other, user_id: 'u-4' }), refused('limit')]],
    [
      'limit: of the same channel',
      true,
      [late({ ...other, channel_id: 'c' }), refused('limit', { channel_id: 'c' })],
    ],
    ['limit: of another buyer, of no channel', false, [late(), refused('limit')]],
    ['key: the same', true, [late({ user_id: 'u-4', idempotency_key: 'k-4' }), refused('key_clash')]],
    ['key: another of the buyer', false, [late({ user_id: 'u-4' }), refused('key_clash')]],
    ['sequence: the same', true, [late(), refused('sequence_fork', { epoch: 1, sequence: 9 })]],
    ['sequence: another', false, [late(), refused('sequence_fork', { epoch: 1, sequence: 8 })]],
    [
      'sequence: of a retake',
      true,
      [late(), refused('sequence_fork', { sequence: 7 })],
      [{ order_id: '9', sale_id: 's', lane: 0, epoch: 2, sequence: 7, ...retaken }],
    ],
    [
      'sequence: of a retake that was not lost',
      false,
      [late(), refused('sequence_fork', { sequence: 7 })],
      [{ order_id: '8', sale_id: 's', lane: 0, epoch: 2, sequence: 7, ...retaken }],
    ],
  ];
  for (const [name, isExcused, orders, retakes = []] of cases) {
    const { excused, findings } = judgeRefusals(facts({ orders, retakes, lost }));
    t.equal(excused.has('4'), isExcused, name);
    t.equal(
      findings.some((text) => text.startsWith('INV-2: 4 is refused')),
      !isExcused,
      name,
    );
  }
  const own = judgeRefusals(facts({ orders: [refused('ledger')], lost: new Set(['4']) }));
  t.same([...own.excused], ['4'], 'it was lost itself');
  t.end();
});

await t.test('totals are what operators were told', async (t) => {
  const ledger = (total: number) => new Map([['s', [{ sku: 'a', total, sold: 0 }]]]);
  t.same(verdict.judgeTotals(ledger(7), new Map([['s a', 7]])), []);
  t.match(verdict.judgeTotals(ledger(8), new Map([['s a', 7]])), [/s a has 8, operators were told 7/]);
});

await t.test('webhooks come at least once, and in order per order', async (t) => {
  const orders = [
    order('1', { returns: 1 }),
    order('2', { status: 'expired' }),
    order('3', { status: 'pending' }),
  ];
  const told = (first: string[], second: string[]) =>
    verdict.judgeWebhooks(
      orders,
      new Map([
        ['1', first],
        ['2', second],
      ]),
    );
  t.same(told(['order.expired', 'order.paid', 'order.returned'], ['order.expired']), []);
  t.match(told(['order.returned', 'order.paid'], ['order.expired']), [
    /order.returned was told before order.paid/,
  ]);
  t.match(told(['order.paid', 'order.returned'], []), [/2 is expired, and order.expired was not told/]);
});

await t.test('a sale is told of when it opens, once, and when it is sold out', (t) => {
  const judge = (told: string[], sold: number) =>
    verdict.judgeSalesTold(['s'], new Map([['s', [{ sku: 'a', total: 7, sold }]]]), new Map([['s', told]]));
  t.same(judge(['sale.opened'], 6), []);
  t.same(judge(['sale.opened', 'sale.sold_out', 'sale.sold_out'], 7), []);
  t.match(judge([], 6), [/sale.opened was told 0 times/]);
  t.match(judge(['sale.opened', 'sale.opened'], 6), [/sale.opened was told 2 times/]);
  t.match(judge(['sale.opened'], 7), [/is sold out, and sale.sold_out was not told/]);
  t.end();
});
