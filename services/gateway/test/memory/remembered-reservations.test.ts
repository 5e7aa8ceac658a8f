// Goal: the gateway answers by itself only while it knows every reservation of the sale, and never a buyer
// whose key may have reserved (INV-4). Method: the memory's real code; announcements, whole states and both
// clocks come from the test.
import t from 'tap';
import { build, buildFilled, KEY, reserved, soldOut, START } from '../support/memory.ts';

await t.test('a key that may have reserved goes to stock, and no other key of its user does', async (t) => {
  const { ask, hear, memory } = await buildFilled();
  t.equal(ask({ userId: 'u1' }), undefined, 'told with the whole');
  hear({ sequence: 2, reservations: reserved([[2, 'u2']]) });
  t.equal(ask({ userId: 'u2' }), undefined, 'announced');
  memory.noteKey({ saleId: 'oranges', userId: 'u3', idempotencyKey: KEY, lines: [] });
  t.equal(ask({ userId: 'u3' }), undefined, 'seen by ourselves');
  t.same(ask(), soldOut);
  for (const userId of ['u1', 'u2', 'u3']) {
    t.same(ask({ userId, idempotencyKey: 'another' }), soldOut, `${userId} as any newcomer`);
  }
});

await t.test('a lane that was opened under another Redis in the same epoch has other hashes', async (t) => {
  const { ask, hear, tellAll, asked, advance } = await buildFilled();
  const late = { salt: 'another-redis', sequence: 2 };
  hear({ ...late, reservations: reserved([[2, 'u2']], late.salt) });
  t.equal(ask(), undefined, 'what was remembered is void');
  t.equal(asked.length, 2);
  hear({ sequence: 2, now: START - 5, reservations: reserved([[2, 'u2']]) });
  t.equal(ask(), undefined, 'a delayed message of before');
  await tellAll({ sequence: 2 }, ['u1', 'u2']);
  t.equal(ask(), undefined, 'a whole state of before');
  advance(1_000);
  hear({ ...late, reservations: reserved([[2, 'u2']], late.salt) });
  ask();
  await tellAll(late, ['u1', 'u2']);
  t.same(ask(), soldOut);
  for (const userId of ['u1', 'u2']) t.equal(ask({ userId }), undefined, userId);
});

await t.test('one sequence of whom nobody told silences the memory until it is told', async (t) => {
  const { ask, hear } = await buildFilled();
  hear({ sequence: 3, reservations: reserved([[3, 'u3']]) });
  t.equal(ask(), undefined, 'who is 2?');
  hear({ sequence: 3, reservations: reserved([[2, 'u2']]) });
  t.same(ask(), soldOut);
  t.equal(ask({ userId: 'u2' }), undefined);
  hear({ sequence: 5, reservations: reserved([[5, 'u5']]) });
  hear({
    sequence: 5,
    reservations: reserved([
      [5, 'u5'],
      [4, 'u4'],
    ]),
  });
  t.same(ask(), soldOut, 'twice and out of order');
});

await t.test('a gap that lasts makes it ask for the whole, not more than once a second', async (t) => {
  const { ask, hear, tellAll, advance, asked } = await buildFilled();
  hear({ sequence: 3 });
  ask();
  t.equal(asked.length, 1, 'another process may still announce it');
  advance(500);
  hear({ sequence: 3 });
  ask();
  t.equal(asked.length, 1, 'a second has not passed since the last question');
  advance(500);
  hear({ sequence: 3 });
  ask();
  t.equal(asked.length, 2);
  await tellAll({ sequence: 3 }, ['u1', 'u2', 'u3']);
  t.same(ask(), soldOut);
  t.equal(ask({ userId: 'u3' }), undefined);
});

await t.test('a whole state that is older than what was announced leaves the gap open', async (t) => {
  const { ask, hear, tellAll } = build();
  hear({ sequence: 1 });
  ask();
  hear({ sequence: 3, reservations: reserved([[3, 'u3']]) });
  await tellAll({ sequence: 1 }, ['u1']);
  t.equal(ask(), undefined, '2 is missing');
  hear({ sequence: 3, reservations: reserved([[2, 'u2']]) });
  t.same(ask(), soldOut);
});

await t.test('a new epoch forgets the reservations, and an older one is not heard', async (t) => {
  const { ask, hear, tellAll, asked } = await buildFilled();
  hear({ epoch: 2, sequence: 0 });
  t.equal(ask(), undefined, 'keys of the first epoch have reserved, and this one names none of them');
  t.equal(asked.length, 2);
  hear({ epoch: 1, sequence: 1, reservations: reserved([[1, 'u1']]) });
  t.equal(ask(), undefined);
  await tellAll({ epoch: 2, sequence: 0 }, ['u1']);
  t.same(ask(), soldOut);
  t.equal(ask({ userId: 'u1' }), undefined);

  const early = build();
  early.hear({ epoch: 2 });
  early.ask();
  await early.tellAll({ epoch: 1 });
  t.equal(early.ask(), undefined, 'a whole state of another epoch is none');
});

await t.test('an older version, and a state that was overtaken, change nothing', async (t) => {
  const { ask, hear } = await buildFilled();
  hear({ version: 2, state: 'paused' });
  t.same(ask(), { outcome: 'sale_paused' });
  hear({ version: 1 });
  t.same(ask(), { outcome: 'sale_paused' }, 'a delayed message');
  hear({ version: 3, now: START - 10 });
  t.same(ask(), { outcome: 'sale_paused' }, 'read before the other');
  hear({ version: 2, sequence: 0 });
  t.same(ask(), { outcome: 'sale_paused' }, 'a Redis that has forgotten');
});

await t.test('a sale with too many reservations, or of several lanes, is left to stock', async (t) => {
  const many = build();
  many.hear();
  many.ask();
  await many.tellAll({}, null);
  t.equal(many.ask(), undefined);
  many.advance(5_000);
  many.hear();
  many.ask();
  t.equal(many.asked.length, 1, 'it is not asked for again at once');

  const lanes = build();
  lanes.hear({ lane: 1 });
  t.equal(lanes.ask(), undefined);
  t.same(lanes.asked, []);
});
