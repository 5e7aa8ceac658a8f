// Goal: prove the prover. A reading in which all is well has no finding, and each way to break an invariant
// is found under its name. Method: one consistent reading, bent in one place at a time; nothing here talks to
// an engine.
import t from 'tap';
import { judge, judgeResale, type Invariant } from '../../src/audit/judge.ts';
import { measure } from '../../src/audit/resale.ts';
import { consistentReading, row, type Facts } from '../support/reading.ts';

const found = ({ reading, history }: Facts): Invariant[] => [
  ...new Set(judge(reading, history).map(({ invariant }) => invariant)),
];

await t.test('where all is well there is nothing to find', async (t) => {
  t.same(found(consistentReading()), []);
});

await t.test('each way to break an invariant is found under its name', async (t) => {
  const item = ({ sale }: Facts) => sale.lane.items[0] ?? t.fail('an item');
  const order = ({ sale }: Facts, index: number) => sale.orders[index] ?? row(0);
  const cases: [string, Invariant, (facts: Facts) => void][] = [
    ['more live units than the total', 'INV-1', (facts) => void facts.sale.orders.push(row(5))],
    [
      'the ledger counts other than the orders',
      'INV-1',
      ({ sale }) => void (sale.ledger = [{ sku: 'a', total: 3, sold: 2 }]),
    ],
    ['an item without a ledger row', 'INV-1', ({ sale }) => void (sale.ledger = [])],
    ['more taken in Redis than the total', 'INV-1', (facts) => void Object.assign(item(facts), { held: 2 })],
    ['a promise without a row', 'INV-2', ({ sale }) => void sale.orders.splice(0, 1)],
    ['a promise that is refused', 'INV-2', (facts) => void (order(facts, 0).status = 'refused')],
    [
      'a row that differs from the promise',
      'INV-2',
      (facts) => void (order(facts, 0).lines = [{ sku: 'a', quantity: 2 }]),
    ],
    ['a row of another user', 'INV-2', (facts) => void (order(facts, 0).user_id = 'other')],
    ['a sequence without a row', 'INV-2', ({ sale }) => void (sale.lane.sequence = 5)],
    ['a dead letter', 'INV-2', ({ reading }) => void (reading.deadLetters = 1)],
    ['a unit that is nowhere', 'INV-3', (facts) => void Object.assign(item(facts), { held: 0 })],
    ['held here, paid there', 'INV-3', (facts) => void (order(facts, 2).status = 'paid')],
    ['a hold nobody stored', 'INV-3', ({ sale }) => void sale.lane.holds.add('stray')],
    [
      'a pending order without a hold',
      'INV-3',
      ({ sale }) => {
        sale.lane.holds.clear();
      },
    ],
    [
      'two reservations for a key',
      'INV-4',
      (facts) => void Object.assign(order(facts, 1), { user_id: 'u1', idempotency_key: 'k1' }),
    ],
    ['a key that Redis forgot', 'INV-4', ({ sale }) => void (sale.lane.keys = 3)],
    [
      'another answer to the same key',
      'INV-4',
      ({ history }) => {
        const [promised] = history.promised.values();
        history.accept('s', 'u1', 'k1', JSON.stringify({ ...promised?.reservation, status: 'changed' }));
      },
    ],
    ['a buyer beyond the limit', 'INV-6', (facts) => void (order(facts, 1).user_id = 'u1')],
    ['a buyer that Redis counts wrongly', 'INV-6', ({ sale }) => void sale.lane.buyers.set('u1', 0)],
    [
      'a buyer beyond the limit of an item',
      'INV-6',
      ({ sale }) => {
        delete sale.definition.limitPerBuyer;
        for (const line of sale.orders[0]?.lines ?? []) line.quantity = 2;
        sale.lane.buyers.set('u1', 2);
        sale.lane.itemsOfBuyers.set('u1', new Map([['a', 2]]));
      },
    ],
    [
      'a buyer whose units of an item Redis counts wrongly',
      'INV-6',
      ({ sale }) => void sale.lane.itemsOfBuyers.delete('u1'),
    ],
    [
      'money that was recorded and dropped',
      'INV-5',
      ({ history }) => {
        history.toldRecorded.add('s.0.random-of-order-3');
      },
    ],
    [
      'a refund that was promised and is not due',
      'INV-5',
      ({ history }) => {
        history.toldRefund.add('s.0.random-of-order-3');
      },
    ],
    [
      'money that paid an order which is not paid',
      'INV-5',
      ({ sale }) => {
        sale.payments.push({ order_id: 's.0.random-of-order-3', result: 'paid' });
      },
    ],
    [
      'a buyer who never heard an answer',
      'INV-2',
      ({ history }) => {
        history.unresolved.push({ saleId: 's', idempotencyKey: 'k9' });
      },
    ],
    [
      'a payment that never got an answer',
      'INV-2',
      ({ history }) => {
        history.noticed('s.0.random-of-order-1', undefined);
      },
    ],
    [
      'a count that outlived its orders',
      'INV-6',
      ({ sale }) => {
        sale.lane.buyers.set('u4', 1);
      },
    ],
    [
      'a channel beyond its cap',
      'INV-6',
      ({ sale }) => void (sale.definition.channels = [{ id: 'c', kind: 'store', title: 'C', cap: 2 }]),
    ],
    [
      'a channel that Redis counts wrongly',
      'INV-6',
      ({ sale }) => void sale.lane.channels.set('c', { cap: 3, units: 2 }),
    ],
  ];
  for (const [name, invariant, bend] of cases) {
    const facts = consistentReading();
    bend(facts);
    t.ok(
      found(facts).includes(invariant),
      `${name}: ${invariant}, found ${found(facts).join(' ') || 'nothing'}`,
    );
  }
});

await t.test('INV-5 is judged at the end', async (t) => {
  const judged = (
    bend: (facts: Facts) => void,
    options: { maxMs?: number; provenMs?: number; crowded?: boolean; unseen?: boolean } = {},
  ) => {
    const facts = consistentReading();
    bend(facts);
    const proven = options.provenMs ?? 10;
    const delays = { count: 1, p50: 10, max: options.maxMs ?? proven, provenMax: proven };
    return judgeResale(
      facts.reading,
      facts.history,
      options.unseen === true ? undefined : delays,
      new Set(options.crowded === true ? ['s'] : []),
    );
  };
  t.same(
    judged(() => undefined),
    [],
  );
  t.equal(
    judged(() => undefined, { crowded: true }).length,
    1,
    'a unit is held at the end of a crowded sale',
  );
  t.equal(judged(() => undefined, { provenMs: 2_001 }).length, 1, 'units came back too late');
  t.same(
    judged(() => undefined, { maxMs: 5_000, provenMs: 1_900 }),
    [],
    'nobody looked for a while, which proves nothing',
  );
  t.equal(
    judged(({ history }) => history.toldPaid.add('s.0.random-of-order-3')).length,
    1,
    'told paid, still pending',
  );
  t.equal(
    judged(({ history }) => history.toldCancelled.add('s.0.random-of-order-1')).length,
    1,
    'told cancelled, paid',
  );
  t.equal(judged(() => undefined, { unseen: true }).length, 1, 'a hold ended and nobody saw it come back');
});

await t.test('the time of a hold runs from its end to the readings around its disappearance', async (t) => {
  const { reading } = consistentReading();
  const [row] = reading.sales[0]?.orders ?? [];
  if (row === undefined) throw new Error('no order');
  const end = Date.parse('2026-11-22T12:00:00.000Z');
  const [random, keyHash] = ['0123456789abcdef', 'hash-of-a-key-with-22c'];
  const expired = { ...row, id: `s.0.${random}${keyHash}`, sale_id: 's', status: 'expired' as const };
  const times = (seenAt: number, goneAt: number) =>
    measure(
      [{ ...expired, expires_at: new Date(end), ended_at: new Date(end + 700) }],
      new Map([[`s.${keyHash}`, { seenAt: end + seenAt, goneAt: end + goneAt }]]),
    );
  t.same(times(600, 650), { count: 1, p50: 650, max: 650, provenMax: 600 });
  t.same(times(1_900, 4_000), { count: 1, p50: 4_000, max: 4_000, provenMax: 1_900 });
  t.equal(measure([{ ...expired, status: 'paid' }], new Map()), undefined, 'a paid hold brings nothing back');
});
