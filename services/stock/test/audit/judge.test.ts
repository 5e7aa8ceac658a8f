// Goal: prove the judge. Where all is well every invariant holds, each way to break one is found under its
// name and by its amount, and what moves is judged by nobody.
// Method: one consistent reading, bent in one place at a time; nothing here talks to an engine.
import {
  INVARIANT_NAMES,
  type AuditVerdict,
  type InvariantName,
  type LedgerReading,
} from '@seckill/contracts';
import t from 'tap';
import { judge, type AuditReading } from '../../src/audit/judge.ts';
import type { LaneState } from '../../src/redis/lane-state.ts';

/**
 * A reading of ten units of `a` in epoch 2: three are pending, four paid, three available. Five units of `b`
 * are there that nobody wants.
 */
function lane(): LaneState {
  return {
    gate: 'open',
    now: 1_000,
    epoch: 2,
    version: 3,
    sequence: 9,
    isLoaded: true,
    state: 'open',
    opensAt: 0,
    closesAt: 10_000,
    outbox: 0,
    fence: 1,
    openedSequence: 0,
    server: '',
    isTorn: false,
    leftHolds: 0,
    items: [
      { sku: 'a', total: 10, available: 3, held: 3, paid: 4 },
      { sku: 'b', total: 5, available: 5, held: 0, paid: 0 },
    ],
  };
}

function ledger(): LedgerReading {
  return {
    saleId: 's',
    now: 1_000,
    epoch: 2,
    items: [
      { sku: 'a', total: 10, sold: 7, pending: 3, paid: 4 },
      { sku: 'b', total: 5, sold: 0, pending: 0, paid: 0 },
    ],
    lanes: [{ lane: 0, sequence: 9, gaps: 0 }],
    overLimit: 0,
    overCap: 0,
    doubleKeys: 0,
    overdue: 0,
    stored: ['5', '7'],
    orderOutbox: 0,
    replayedDeadLetters: 1,
  };
}

interface Bendable {
  /** Sets both readings of a side. */
  lane: (change: (lane: LaneState) => void) => void;
  item: (change: Partial<LaneState['items'][number]>) => void;
  ledger: (change: (ledger: LedgerReading) => void) => void;
  stored: (change: Partial<LedgerReading['items'][number]>) => void;
  reading: AuditReading;
}

function bent(bend: (bendable: Bendable) => void = () => undefined) {
  const reading: AuditReading = {
    redis: [[lane()], [lane()]],
    postgres: [ledger(), ledger()],
    kafkaLag: 0,
    deadLetters: 0,
    overdueHolds: 0,
    mayBeLate: false,
  };
  const both: Pick<Bendable, 'lane' | 'ledger'> = {
    lane: (change) => {
      for (const lanes of reading.redis) lanes.forEach(change);
    },
    ledger: (change) => {
      reading.postgres.forEach(change);
    },
  };
  bend({
    ...both,
    reading,
    item: (change) => {
      both.lane(({ items }) => Object.assign(items[0] ?? {}, change));
    },
    stored: (change) => {
      both.ledger(({ items }) => Object.assign(items[0] ?? {}, change));
    },
  });
  return judge(reading);
}

function namesOf(verdicts: Record<InvariantName, AuditVerdict>, wanted: AuditVerdict): InvariantName[] {
  return INVARIANT_NAMES.filter((name) => verdicts[name] === wanted);
}

await t.test(
  'where all is well every invariant holds, and the audit has the shape of docs/http-api.md',
  async (t) => {
    const { audit, drift } = bent(({ reading }) => {
      reading.deadLetters = 2;
    });
    t.strictSame(audit, {
      saleId: 's',
      asOf: '1970-01-01T00:00:01.000Z',
      epoch: 2,
      redis: [
        { sku: 'a', total: 10, available: 3, held: 3, paid: 4 },
        { sku: 'b', total: 5, available: 5, held: 0, paid: 0 },
      ],
      postgres: [
        { sku: 'a', total: 10, pending: 3, paid: 4 },
        { sku: 'b', total: 5, pending: 0, paid: 0 },
      ],
      // Dead letters may be of any sale. What they took from this sale shows in its own counts.
      inFlight: { outbox: 0, kafkaLag: 0, orderOutbox: 0, deadLetters: 2 },
      verdict: 'holds',
      invariants: {
        'INV-1': 'holds',
        'INV-2': 'holds',
        'INV-3': 'holds',
        'INV-4': 'holds',
        'INV-5': 'holds',
        'INV-6': 'holds',
      },
      findings: [],
    });
    t.same(
      Object.values(drift).filter((amount) => amount !== 0),
      [],
    );
  },
);

await t.test('clocks, other sales and replays may move between the readings', async (t) => {
  const { audit } = bent(({ reading }) => {
    Object.assign(reading.redis[1][0] ?? {}, { now: 1_300 });
    Object.assign(reading.postgres[1], { now: 1_300, stored: ['9', '9'], replayedDeadLetters: 4 });
  });
  t.equal(audit.verdict, 'holds');
  t.equal(audit.asOf, '1970-01-01T00:00:01.300Z');
});

await t.test('each way to break an invariant is found under its name, and by its amount', async (t) => {
  const cases: [string, InvariantName[], Partial<Record<InvariantName, number>>, (b: Bendable) => void][] = [
    [
      'more live units than the total',
      ['INV-1'],
      { 'INV-1': 2 },
      ({ stored, item }) => {
        stored({ total: 5, sold: 7 });
        item({ total: 5, available: 0, held: 1, paid: 4 });
      },
    ],
    [
      'a ledger that counts less than its orders',
      ['INV-1'],
      { 'INV-1': 1 },
      ({ stored }) => {
        stored({ sold: 6 });
      },
    ],
    [
      'a ledger that counts more than its orders',
      ['INV-1'],
      { 'INV-1': 1 },
      ({ stored }) => {
        stored({ sold: 8 });
      },
    ],
    [
      'more taken in Redis than the total',
      ['INV-1', 'INV-3'],
      { 'INV-1': 2 },
      ({ item }) => {
        item({ held: 8 });
      },
    ],
    [
      'fewer available than none',
      ['INV-1', 'INV-3'],
      { 'INV-1': 1, 'INV-3': 4 },
      ({ item }) => {
        item({ available: -1 });
      },
    ],
    [
      'Redis sells of more than the sale has',
      ['INV-1'],
      { 'INV-1': 5 },
      ({ item }) => {
        item({ total: 15, available: 8 });
      },
    ],
    [
      'an item that the sale does not have',
      ['INV-1'],
      { 'INV-1': 1 },
      ({ lane }) => {
        lane(({ items }) => items.push({ sku: 'c', total: 1, available: 1, held: 0, paid: 0 }));
      },
    ],
    [
      'reservations that were never stored',
      ['INV-2'],
      { 'INV-2': 2 },
      ({ ledger }) => {
        ledger(({ lanes }) => Object.assign(lanes[0] ?? {}, { gaps: 2 }));
      },
    ],
    [
      'the last reservations lack their rows',
      ['INV-2'],
      { 'INV-2': 3 },
      ({ lane }) => {
        lane((count) => void (count.sequence = 12));
      },
    ],
    [
      'Redis forgot reservations while it was open',
      ['INV-2'],
      { 'INV-2': 1 },
      ({ lane }) => {
        lane((count) => void (count.sequence = 8));
      },
    ],
    [
      'a lane that Postgres knows nothing of',
      ['INV-2'],
      { 'INV-2': 9 },
      ({ ledger }) => {
        ledger((side) => void (side.lanes = []));
      },
    ],
    [
      'a unit that is nowhere',
      ['INV-3'],
      { 'INV-3': 1 },
      ({ item }) => {
        item({ available: 2 });
      },
    ],
    [
      'a unit too many for sale',
      ['INV-3'],
      { 'INV-3': 1 },
      ({ item }) => {
        item({ available: 4 });
      },
    ],
    [
      'held here, paid there',
      ['INV-3'],
      { 'INV-3': 2 },
      ({ stored }) => {
        stored({ pending: 2, paid: 5 });
      },
    ],
    [
      'a hold that nobody stored',
      ['INV-3'],
      { 'INV-3': 1 },
      ({ item }) => {
        item({ available: 2, held: 4 });
      },
    ],
    [
      'an order without a hold',
      ['INV-3'],
      { 'INV-3': 1 },
      ({ item }) => {
        item({ available: 4, held: 2 });
      },
    ],
    [
      'a cancelled order whose units never came back',
      ['INV-3'],
      { 'INV-3': 3 },
      ({ stored }) => {
        stored({ pending: 0, sold: 4 });
      },
    ],
    [
      'an item that Redis forgot',
      ['INV-3'],
      { 'INV-3': 5 },
      ({ lane }) => {
        lane(({ items }) => items.pop());
      },
    ],
    [
      'a key with two orders',
      ['INV-4'],
      { 'INV-4': 1 },
      ({ ledger }) => {
        ledger((side) => void (side.doubleKeys = 1));
      },
    ],
    [
      'orders pending past their end',
      ['INV-5'],
      { 'INV-5': 4 },
      ({ ledger }) => {
        ledger((side) => void (side.overdue = 4));
      },
    ],
    [
      'holds kept past their end',
      ['INV-5'],
      { 'INV-5': 1 },
      ({ reading }) => {
        reading.overdueHolds = 1;
      },
    ],
    [
      'buyers beyond the limit',
      ['INV-6'],
      { 'INV-6': 2 },
      ({ ledger }) => {
        ledger((side) => void (side.overLimit = 2));
      },
    ],
    [
      'channels beyond their cap',
      ['INV-6'],
      { 'INV-6': 1 },
      ({ ledger }) => {
        ledger((side) => void (side.overCap = 1));
      },
    ],
  ];
  for (const [name, broken, amounts, bend] of cases) {
    const { audit, drift } = bent(bend);
    for (const invariant of broken) {
      t.equal(audit.invariants[invariant], 'broken', `${name}: ${invariant}`);
      t.ok(
        audit.findings.some((finding) => finding.startsWith(`${invariant}: `)),
        `${name}: ${audit.findings.join('; ')}`,
      );
    }
    t.equal(audit.verdict, 'broken', name);
    t.match(drift, amounts, name);
    const others = INVARIANT_NAMES.filter((other) => !broken.includes(other));
    for (const other of others) {
      // The first case is oversold, so its two sides differ as well.
      if (name === 'more live units than the total' && other === 'INV-3') continue;
      t.equal(audit.invariants[other], 'holds', `${name} says nothing of ${other}`);
      t.equal(drift[other], 0, `${name}: no drift of ${other}`);
    }
  }
});

await t.test('while anything is in flight INV-2, 3 and 5 are judged by nobody', async (t) => {
  const moving: [string, RegExp, (b: Bendable) => void][] = [
    [
      'the outbox holds entries',
      /2 reservations wait/,
      ({ lane }) => {
        lane((count) => void (count.outbox = 2));
      },
    ],
    [
      'messages are on their way',
      /1 messages in Kafka/,
      ({ reading }) => {
        reading.kafkaLag = 1;
      },
    ],
    [
      'settlements wait for Kafka',
      /3 settlements wait/,
      ({ ledger }) => {
        ledger((side) => void (side.orderOutbox = 3));
      },
    ],
    [
      'a reservation came between',
      /Redis moved/,
      ({ reading }) => {
        Object.assign(reading.redis[1][0] ?? {}, { sequence: 10 });
      },
    ],
    [
      'a settlement came between',
      /Redis moved/,
      ({ reading }) => {
        Object.assign(reading.redis[0][0]?.items[0] ?? {}, { held: 2 });
      },
    ],
    [
      'the outbox emptied between',
      /Redis moved/,
      ({ reading }) => {
        Object.assign(reading.redis[0][0] ?? {}, { outbox: 1 });
      },
    ],
    [
      'the gate closed and opened between',
      /Redis moved/,
      ({ reading }) => {
        Object.assign(reading.redis[1][0] ?? {}, { fence: 2 });
      },
    ],
    [
      'an order was stored between',
      /Postgres moved/,
      ({ reading }) => {
        reading.postgres[0].lanes = [{ lane: 0, sequence: 8, gaps: 0 }];
      },
    ],
    [
      'a settlement was published between',
      /Postgres moved/,
      ({ reading }) => {
        reading.postgres[0].orderOutbox = 1;
      },
    ],
    [
      'the gate waits for its check',
      /gate of lane 0 is stale/,
      ({ lane }) => {
        lane((count) => void (count.gate = 'stale'));
      },
    ],
    [
      'the lane is being loaded',
      /gate of lane 0 is rebuilding/,
      ({ lane }) => {
        lane((count) => void (count.gate = 'rebuilding'));
      },
    ],
    [
      'a rebuild has begun',
      /epoch 2 of 3/,
      ({ ledger }) => {
        ledger((side) => void (side.epoch = 3));
      },
    ],
    [
      'a restock is on its way',
      /a: a restock or adjustment/,
      ({ stored }) => {
        stored({ total: 12 });
      },
    ],
  ];
  for (const [name, reason, bend] of moving) {
    // All three are broken too, and the judge must not tell of them.
    const { audit, drift } = bent((bendable) => {
      bendable.ledger((side) => Object.assign(side, { overdue: 1 }));
      bendable.ledger(({ lanes }) => Object.assign(lanes[0] ?? {}, { gaps: 1 }));
      bendable.item({ available: 2 });
      bend(bendable);
    });
    t.same(namesOf(audit.invariants, 'in_flight'), ['INV-2', 'INV-3', 'INV-5'], name);
    t.same(namesOf(audit.invariants, 'holds'), ['INV-1', 'INV-4', 'INV-6'], name);
    t.equal(audit.verdict, 'in_flight', name);
    t.match(audit.findings.join('; '), reason, name);
    t.notMatch(audit.findings.join('; '), /INV-/, name);
    t.equal(drift['INV-3'], 0, name);
  }
});

await t.test('what is broken on one side alone is told at once, whatever is in flight', async (t) => {
  const { audit } = bent(({ lane, item, ledger }) => {
    lane((count) => void (count.outbox = 5));
    item({ held: 8 });
    ledger((side) => Object.assign(side, { doubleKeys: 1, overLimit: 1 }));
  });
  t.same(namesOf(audit.invariants, 'broken'), ['INV-1', 'INV-4', 'INV-6']);
  t.same(namesOf(audit.invariants, 'in_flight'), ['INV-2', 'INV-3', 'INV-5']);
  t.equal(audit.verdict, 'broken');
});

await t.test('a Postgres that was set back breaks INV-2, for Redis never has an epoch first', async (t) => {
  const { audit, drift } = bent(({ ledger }) => {
    ledger((side) => void (side.epoch = 1));
  });
  t.same(namesOf(audit.invariants, 'broken'), ['INV-2']);
  t.same(namesOf(audit.invariants, 'in_flight'), ['INV-3', 'INV-5']);
  t.equal(drift['INV-2'], 9);
});

await t.test('a lane that is not there, or half loaded, is in flight and not oversold', async (t) => {
  const gone = bent(({ lane }) => {
    lane((count) =>
      Object.assign(count, { gate: 'missing', isLoaded: false, epoch: 0, sequence: 0, items: [] }),
    );
  });
  t.same(gone.audit.redis, []);
  t.equal(gone.audit.verdict, 'in_flight');
  const half = bent(({ lane, item }) => {
    lane((count) => Object.assign(count, { gate: 'rebuilding', isLoaded: false }));
    item({ available: -4, held: 9 });
  });
  t.equal(half.audit.verdict, 'in_flight');
});

await t.test('lanes are judged by themselves and compared together', async (t) => {
  const judged = (bend: (second: LaneState) => void) =>
    bent(({ reading }) => {
      for (const lanes of reading.redis) {
        const second = lane();
        bend(second);
        lanes.push(second);
      }
      for (const side of reading.postgres) {
        side.lanes.push({ lane: 1, sequence: 9, gaps: 0 });
        side.items = side.items.map(({ sku, ...units }) => ({
          sku,
          total: units.total * 2,
          sold: units.sold * 2,
          pending: units.pending * 2,
          paid: units.paid * 2,
        }));
      }
    }).audit;
  const well = judged(() => undefined);
  t.equal(well.verdict, 'holds');
  t.strictSame(well.redis[0], { sku: 'a', total: 20, available: 6, held: 6, paid: 8 });
  // The first lane has room enough for what the second oversold.
  const oversold = judged(({ items }) => Object.assign(items[0] ?? {}, { available: 0, held: 7 }));
  t.equal(oversold.invariants['INV-1'], 'broken');
  t.match(oversold.findings.join('; '), /held or paid in lane 1/);
});
