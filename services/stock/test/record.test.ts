// Goal: records and key fields survive the way through Redis' text, and what cannot be ours is refused as our bug.
// Method: round trips over random values; texts with a fact missing, broken or added.
import fc from 'fast-check';
import { InvariantError } from '@seckill/runtime';
import t from 'tap';
import { fingerprintOf } from '../src/fingerprint.ts';
import { formatLane, parseLane } from '../src/keys.ts';
import {
  formatKeyField,
  formatRecord,
  parseKeyField,
  parseRecord,
  type ReservationRecord,
} from '../src/record.ts';
import { toFailureAnswer, toReserveAnswer } from '../src/answer.ts';

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
});
const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const record: fc.Arbitrary<ReservationRecord> = fc.record(
  {
    random: visible,
    fingerprint: visible,
    epoch: whole,
    sequence: whole,
    reservedAt: whole,
    expiresAt: whole,
    currency: fc.constant('CNY'),
    channelId: fc.constantFrom('x', 'xingfu-li'),
    ref: fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/\p{Cc}/u.test(text)),
    lines: fc.array(fc.record({ sku: visible, quantity: whole, price: whole }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 20,
    }),
  },
  {
    requiredKeys: [
      'random',
      'fingerprint',
      'epoch',
      'sequence',
      'reservedAt',
      'expiresAt',
      'currency',
      'lines',
    ],
    noNullPrototype: true,
  },
);

await t.test('a record is read as it was written', async (t) => {
  fc.assert(fc.property(record, (one) => t.strictSame(parseRecord(formatRecord(one)), one)));
});

await t.test('a record with a fact missing, broken or added is refused', async (t) => {
  const good = 'random\nfingerprint\n1-1\n1\n2\nCNY\n\n\na\n1\n5';
  t.same(parseRecord(good).lines, [{ sku: 'a', quantity: 1, price: 5 }]);
  const parts = good.split('\n');
  for (let length = 0; length < parts.length; length += 1) {
    t.throws(() => parseRecord(parts.slice(0, length).join('\n')), InvariantError, `${length} facts`);
  }
  for (const bad of [
    `${good}\n`,
    good.replace('1-1', '1'),
    good.replace('\n5', '\n-5'),
    good.replace('\n5', '\n5.5'),
  ]) {
    t.throws(() => parseRecord(bad), InvariantError, bad);
  }
  t.throws(() => formatRecord({ ...parseRecord(good), ref: 'a\nb' }), InvariantError);
});

await t.test('user and key come back from their field, whatever colons they hold', async (t) => {
  fc.assert(
    fc.property(visible, visible, (userId, idempotencyKey) => {
      t.strictSame(parseKeyField(formatKeyField(userId, idempotencyKey)), { userId, idempotencyKey });
    }),
  );
  fc.assert(
    fc.property(visible, visible, visible, visible, (userA, keyA, userB, keyB) => {
      const isSame = userA === userB && keyA === keyB;
      t.equal(formatKeyField(userA, keyA) === formatKeyField(userB, keyB), isSame);
    }),
  );
  t.not(formatKeyField('a:b', 'c'), formatKeyField('a', 'b:c'));
  for (const bad of ['', 'a', ':', '1:', '1:a', '9:abc', '0:a', 'x:ab']) {
    t.throws(() => parseKeyField(bad), InvariantError, bad);
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
      fingerprintOf({ lines: lines.slice(1) }),
      fingerprintOf({
        lines: [
          { sku: 'b', quantity: 2 },
          { sku: 'a', quantity: 1 },
        ],
      }),
    ];
    t.equal(new Set([fingerprint, ...others]).size, 5);
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
  t.throws(() => toReserveAnswer({ saleId: 's', lane: 0 }, 'u', ['surprise']), InvariantError);
});
