// Goal: what a sale's file changes is done in an order in which nothing is left half done, and what cannot be
// done is told first.
// Method: the plan itself, from files as they are read and a sale as the gateway shows it.
import t from 'tap';
import type { Sale } from '@seckill/contracts';
import { pathOf, refuseLateStop } from '../../src/sale/apply.ts';
import { planSale, type Plan } from '../../src/sale/plan.ts';
import { parseSale } from '../../src/sale/sale-text.ts';

const SALE: Sale = {
  id: 'pears',
  title: 'Pears',
  opensAt: '2029-01-01T00:00:00.000Z',
  closesAt: '2030-01-01T00:00:00.000Z',
  serverTime: '2029-06-01T00:00:00.000Z',
  holdSeconds: 900,
  state: 'open',
  version: 1,
  items: [
    {
      sku: 'pear',
      title: 'Pear',
      price: { amount: 100, currency: 'CNY' },
      total: 10,
      available: 10,
      held: 0,
      paid: 0,
      soldOut: 'no',
    },
  ],
  channels: [
    { id: 'li', kind: 'community', title: 'Li' },
    { id: 'wu', kind: 'community', title: 'Wu' },
  ],
};

const text = (changes: Record<string, unknown> = {}) =>
  parseSale(
    'pears.json',
    JSON.stringify({
      id: 'pears',
      title: 'Pears',
      closesAt: SALE.closesAt,
      items: [{ sku: 'pear', title: 'Pear', price: { amount: 100, currency: 'CNY' }, total: 10 }],
      ...changes,
    }),
  );
const plan = (changes: Record<string, unknown>, sale = SALE): Plan => planSale(text(changes).sale, sale);
const callsOf = ({ steps }: Plan) => steps.map(({ method, call }) => `${method} ${call}`);
const pears = (changes: Record<string, unknown>) => [{ ...text().sale.items[0], ...changes }];

void t.test('what pauses comes first; a close comes last, because nothing can be changed after it', (t) => {
  const changes = { title: 'Other', items: pears({ total: 12, paused: true }) };
  t.same(callsOf(plan({ ...changes, state: 'closed' })), [
    'POST /items/pear/pause',
    'PATCH ',
    'POST /items/pear/restock',
    'POST /close',
  ]);
  t.same(callsOf(plan({ ...changes, state: 'paused' })), [
    'POST /items/pear/pause',
    'POST /pause',
    'PATCH ',
    'POST /items/pear/restock',
  ]);
  t.end();
});

void t.test('what no call can change any more is told before the sale is paused', (t) => {
  const opening = { opensAt: '2029-02-01T00:00:00Z', state: 'paused' };
  t.match(plan(opening).conflicts, [{ path: ['opensAt'], text: /^opensAt is fixed/ }]);
  const before = { ...SALE, serverTime: '2028-12-01T00:00:00.000Z' };
  t.same(plan(opening, before).conflicts, [], 'a sale that has not opened may open later');
  t.same(plan({ opensAt: '2029-01-01T08:00:00+08:00' }).conflicts, [], 'the same instant');
  const wu = { id: 'wu', kind: 'community', title: 'Wu' };
  for (const [name, value] of [
    ['kind', 'store'],
    ['partnerId', 'p'],
    ['pickupPointId', 'q'],
    ['groupMinimum', 5],
  ] as const) {
    const { conflicts } = plan({ channels: [{ ...wu, [name]: value }], state: 'paused' });
    t.match(conflicts, [{ path: ['channels', 0, name], text: / is fixed: / }], name);
  }
  t.same(
    plan({
      channels: [
        { ...wu, title: 'New', cap: 3 },
        { ...wu, id: 'he' },
      ],
    }).conflicts,
    [],
  );
  t.end();
});

void t.test(
  'a refusal about a channel names its place in the file, though only changed ones are sent',
  (t) => {
    const channels = [...(SALE.channels ?? []), { id: 'he', kind: 'community', title: 'He' }];
    const [step] = plan({ channels }).steps;
    t.match(step?.body, { channels: [{ id: 'he' }] });
    t.same(pathOf('channels.0.metadata', step?.channelIndexes), ['channels', 2, 'metadata']);
    t.same(pathOf('channels.0.metadata'), ['channels', 0, 'metadata'], 'a new sale is sent whole');
    t.same(pathOf('items.1.total', step?.channelIndexes), ['items', 1, 'total']);
    t.end();
  },
);

void t.test('a new sale that is to be stopped must not sell before', (t) => {
  const now = Date.parse('2029-06-01T00:00:00Z');
  const refuse = (changes: Record<string, unknown>) => () => {
    refuseLateStop(text(changes), now);
  };
  const says = { message: /^nothing was created\npears\.json:1: .*needs an opensAt at least 60 s ahead/ };
  t.throws(refuse({ state: 'paused' }), says);
  t.throws(refuse({ state: 'closed' }), says);
  t.throws(refuse({ state: 'paused', opensAt: '2029-06-01T00:00:30Z' }), says);
  t.throws(refuse({ items: pears({ paused: true }) }), says);
  t.doesNotThrow(refuse({ state: 'paused', opensAt: '2029-06-01T00:01:00Z' }));
  t.doesNotThrow(refuse({ state: 'open' }));
  t.end();
});
