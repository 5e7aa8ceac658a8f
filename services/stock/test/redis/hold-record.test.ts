// Goal: records and reservation ids survive the way through Redis' text, and what cannot be ours is refused
// as our bug.
// Method: round trips over random values; texts with a fact missing, broken or added.
import fc from 'fast-check';
import {
  IdempotencyKey,
  parseReservationId,
  parseSnapshotOrders,
  ReserveItem,
  UserId,
  type Metadata,
  type SnapshotOrder,
} from '@seckill/contracts';
import { InvariantError } from '@seckill/runtime';
import { LaneContentError } from '../../src/lane-content-error.ts';
import t from 'tap';
import { Compile } from 'typebox/compile';
import { fingerprintOf } from '../../src/redis/fingerprint.ts';
import { formatLane, parseLane } from '../../src/redis/keys.ts';
import {
  formatRecord,
  parseRecord,
  reservationIdOf,
  toLoadOrder,
  toReservation,
  keyOf,
  type HoldRecord,
} from '../../src/redis/hold-record.ts';
import { keyHashOf, makeRandoms, splitSuffix } from '../../src/redis/reservation-id.ts';
import { toFailureAnswer, toTold } from '../../src/reserve/answer.ts';
import { item } from '../support/build.ts';
import { formatSnapshotOrders } from '../support/snapshot.ts';

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
});
const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const instant = fc.integer({ min: 0, max: 4_000_000_000_000 });
/** Metadata comes out of a JSON parser, which knows no -0. */
const throughJson = (value: Metadata) => JSON.parse(JSON.stringify(value)) as Metadata;
const base = fc.record(
  {
    userId: visible,
    idempotencyKey: visible,
    random: visible,
    epoch: whole,
    sequence: whole,
    reservedAt: instant,
    holdMs: fc.integer({ min: 0, max: 86_400_000 }),
    currency: fc.constant('CNY'),
    channelId: fc.constantFrom('x', 'xingfu-li'),
    metadata: fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }).map(throughJson),
    contact: fc.constantFrom('erased', 'key-id.mac.ciphertext'),
    ref: fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/\p{Cc}/u.test(text)),
    lines: fc.array(fc.record({ sku: visible, quantity: whole, price: whole }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 20,
    }),
  },
  {
    requiredKeys: [
      'userId',
      'idempotencyKey',
      'random',
      'epoch',
      'sequence',
      'reservedAt',
      'holdMs',
      'currency',
      'lines',
    ],
    noNullPrototype: true,
  },
);

const record: fc.Arbitrary<HoldRecord> = base.map(({ holdMs, ...facts }) => ({
  ...facts,
  expiresAt: facts.reservedAt + holdMs,
}));

await t.test('a record is read as it was written', async (t) => {
  fc.assert(
    fc.property(record, (one) => {
      const text = formatRecord(one);
      t.strictSame(parseRecord(text), one);
      t.same(keyOf(text), { userId: one.userId, idempotencyKey: one.idempotencyKey });
    }),
  );
});

await t.test('a record with a fact missing, broken or added is refused', async (t) => {
  const good = 'user\nkey\nrandom\n1-1\n1\n2\nCNY\n\n\na\n1\n5';
  t.same(parseRecord(good).lines, [{ sku: 'a', quantity: 1, price: 5 }]);
  const parts = good.split('\n');
  for (let length = 0; length < parts.length; length += 1) {
    t.throws(() => parseRecord(parts.slice(0, length).join('\n')), LaneContentError, `${length} facts`);
  }
  for (const bad of [
    `${good}\n`,
    good.replace('1-1', '1'),
    good.replace('\n5', '\n-5'),
    good.replace('\n5', '\n5.5'),
  ]) {
    t.throws(() => parseRecord(bad), LaneContentError, bad);
  }
  t.throws(() => formatRecord({ ...parseRecord(good), ref: 'a\nb' }), InvariantError);
  t.throws(() => parseRecord(`${good}\n{"metadata":`), LaneContentError, 'half of the extra');
  t.throws(() => parseRecord(`${good}\n{}\n{}`), LaneContentError, 'two extras');
});

await t.test('metadata ends the record, and without it the record is what it was', async (t) => {
  const bare = parseRecord('user\nkey\nrandom\n1-1\n1\n2\nCNY\n\n\na\n1\n5');
  const metadata = { note: 'line\nfeed', b: 1, a: [true] };
  t.equal(formatRecord(bare), 'user\nkey\nrandom\n1-1\n1\n2\nCNY\n\n\na\n1\n5');
  t.equal(formatRecord({ ...bare, metadata }), `${formatRecord(bare)}\n${JSON.stringify({ metadata })}`);
  const lane = { saleId: 's', lane: 0 };
  t.notOk('metadata' in toReservation(lane, bare));
  t.equal(JSON.stringify(toReservation(lane, { ...bare, metadata }).metadata), JSON.stringify(metadata));
});

await t.test(
  'a reservation id ends with the hash of user and key, which both lead to the hold',
  async (t) => {
    const lane = { saleId: 'oranges-2000', lane: 0 };
    fc.assert(
      fc.property(visible, visible, visible, visible, (userA, keyA, userB, keyB) => {
        const [random = ''] = makeRandoms(1);
        const id = reservationIdOf(lane, { userId: userA, idempotencyKey: keyA, random });
        const parts = parseReservationId(id);
        t.match(parts, lane);
        t.strictSame(splitSuffix(parts?.suffix ?? ''), { random, keyHash: keyHashOf(userA, keyA) });
        const isSame = userA === userB && keyA === keyB;
        t.equal(keyHashOf(userA, keyA) === keyHashOf(userB, keyB), isSame);
      }),
    );
    t.not(keyHashOf('ab', 'c'), keyHashOf('a', 'bc'));
    const longest = { saleId: 's'.repeat(63), lane: 9_999 };
    const [random = ''] = makeRandoms(1);
    const id = reservationIdOf(longest, { userId: 'u', idempotencyKey: 'k', random });
    t.ok(id.length <= 128, `${id.length} characters`);
    const randoms = makeRandoms(1_000);
    t.equal(new Set(randoms).size, 1_000);
    t.ok(randoms.every((one) => /^[A-Za-z0-9_-]{16}$/.test(one)));
  },
);

await t.test('no user and no key holds the line feed that stands between them and in records', async (t) => {
  const [isUserId, isKey, isItem] = [Compile(UserId), Compile(IdempotencyKey), Compile(ReserveItem)];
  for (const text of ['a\nb', '\n', 'b\n', '\nb', 'a\r\nb', 'a b', '']) {
    t.notOk(isUserId.Check(text), JSON.stringify(text));
    t.notOk(isKey.Check(text), JSON.stringify(text));
    t.notOk(isItem.Check(item('s', { userId: text })), JSON.stringify(text));
    t.notOk(isItem.Check(item('s', { idempotencyKey: text })), JSON.stringify(text));
  }
  t.ok(isItem.Check(item('s', { userId: 'a', idempotencyKey: 'b' })));
});

await t.test('an order of a snapshot is loaded under its key; an id of another key is refused', async (t) => {
  const lane = { saleId: 's', lane: 0 };
  const [random = ''] = makeRandoms(1);
  const order: SnapshotOrder = {
    reservationId: reservationIdOf(lane, { userId: 'u', idempotencyKey: 'k', random }),
    epoch: 1,
    sequence: 2,
    userId: 'u',
    idempotencyKey: 'k',
    lines: [{ sku: 'a', quantity: 1, price: 5 }],
    reservedAt: 10,
    expiresAt: 12,
    status: 'pending',
  };
  const loaded = toLoadOrder(order, 'CNY');
  t.match(loaded, { userId: 'u', keyHash: keyHashOf('u', 'k'), channelId: '', status: 'pending' });
  t.equal(reservationIdOf(lane, parseRecord(loaded.record)), order.reservationId);
  for (const bad of [
    { ...order, idempotencyKey: 'k2' },
    { ...order, userId: 'u2' },
    { ...order, reservationId: 's.0.random-of-22-characters' },
    { ...order, reservationId: 'x' },
  ]) {
    t.throws(() => toLoadOrder(bad, 'CNY'), InvariantError, bad.reservationId);
  }
});

await t.test('lanes are read as written, and nothing else is a lane', async (t) => {
  t.same(parseLane(formatLane({ saleId: 'oranges-2000', lane: 3 })), { saleId: 'oranges-2000', lane: 3 });
  for (const bad of ['', 'a', 'a:', ':1', 'a:b:1', 'A:1', 'a:12345']) t.equal(parseLane(bad), undefined, bad);
});

await t.test(
  'the fingerprint is 22 base64url characters and depends on everything but the order of lines',
  async (t) => {
    const lines = [
      { sku: 'b', quantity: 1 },
      { sku: 'a', quantity: 2 },
    ];
    const fingerprint = fingerprintOf({ lines });
    t.match(fingerprint, /^[A-Za-z0-9_-]{22}$/);
    t.equal(fingerprintOf({ lines: [...lines].reverse() }), fingerprint);
    const others = [
      fingerprintOf({ lines, channelId: 'x' }),
      fingerprintOf({ lines, ref: 'x' }),
      fingerprintOf({ lines, metadata: {} }),
      fingerprintOf({ lines, metadata: { a: 1, b: 2 } }),
      fingerprintOf({ lines, metadata: { a: 1, b: 3 } }),
      fingerprintOf({ lines: lines.slice(1) }),
      fingerprintOf({
        lines: [
          { sku: 'b', quantity: 2 },
          { sku: 'a', quantity: 1 },
        ],
      }),
    ];
    t.equal(new Set([fingerprint, ...others]).size, 8);
    t.equal(
      fingerprintOf({ lines, metadata: { b: 2, a: 1 } }),
      fingerprintOf({ lines, metadata: { a: 1, b: 2 } }),
      'the order of members says nothing',
    );
    t.equal(fingerprint, 'RKrZZj8XnAIvrZzmfZVedo', 'as before there was metadata');
  },
);

await t.test('a failed call is unknown unless the script surely did not run', async (t) => {
  const answers = {
    "Stream isn't writeable and enableOfflineQueue options is false": 'sale_unavailable',
    'LOADING Redis is loading the dataset in memory': 'sale_unavailable',
    "READONLY You can't write against a read only replica.": 'sale_unavailable',
    "OOM command not allowed when used memory > 'maxmemory'.": 'overloaded',
    'Command timed out': 'outcome_unknown',
    'Connection is closed.': 'outcome_unknown',
    'read ECONNRESET': 'outcome_unknown',
    'ERR anything': 'outcome_unknown',
    'ERR about READONLY ': 'outcome_unknown',
  };
  for (const [message, outcome] of Object.entries(answers)) {
    t.equal(toFailureAnswer(new Error(message)).outcome, outcome, message);
  }
  const lane = { saleId: 's', lane: 0 };
  t.throws(() => toTold(lane, item('s'), ['surprise']), InvariantError);
  const record = 'u2\nk\nrandom\n1-1\n1\n2\nCNY\n\n\na\n1\n5';
  for (const outcome of ['reserved', 'known']) {
    const call = () => toTold(lane, item('s', { idempotencyKey: 'k' }), [outcome, record]);
    t.throws(call, LaneContentError, `${outcome}: a record of another buyer`);
  }
});

await t.test(
  'orders of a page are read as they were written, and a page whose parts do not match is refused',
  async (t) => {
    const lane = { saleId: 's', lane: 0 };
    const [random = ''] = makeRandoms(1);
    const whole: SnapshotOrder = {
      reservationId: reservationIdOf(lane, { userId: 'u', idempotencyKey: 'k', random }),
      ...{ epoch: 3, sequence: 17, userId: 'u', idempotencyKey: 'k' },
      lines: [{ sku: 'a', quantity: 2, price: 5 }],
      ...{ channelId: 'xhs', ref: '橙 "1"', metadata: { zebra: '"\n橙', apple: [1.5, null] } },
      ...{ reservedAt: 10, expiresAt: 12, status: 'cancelled', endedAt: 11 },
    };
    const { channelId: _channel, ref: _ref, metadata: _metadata, endedAt: _end, ...bare } = whole;
    const orders: SnapshotOrder[] = [whole, { ...bare, status: 'pending' }];
    const text = formatSnapshotOrders(orders);
    t.same(parseSnapshotOrders(text), orders);
    t.same(parseSnapshotOrders(''), []);
    for (const bad of [`${text}\n`, `x\n${text}`, 'x']) {
      t.throws(() => parseSnapshotOrders(bad), SyntaxError, JSON.stringify(bad.slice(0, 20)));
    }
  },
);
