// Goal: the gateway remembers a bounded number of reservations, in all and for one buyer. Method: examples.
import type { Reservation } from '@seckill/contracts';
import t from 'tap';
import { RecentReservations } from '../../src/memory/recent-reservations.ts';

const made = (id: string, userId: string) => ({ id, userId }) as Reservation;
const idsOf = (recent: RecentReservations, userId: string) => recent.of(userId).map(({ id }) => id);

await t.test('each buyer finds their own reservations until the row is seen', async (t) => {
  const recent = new RecentReservations();
  for (const [id, userId] of [
    ['a', 'u1'],
    ['b', 'u2'],
    ['c', 'u1'],
    ['a', 'u1'],
  ] as const) {
    recent.add(made(id, userId));
  }
  t.same(idsOf(recent, 'u1'), ['a', 'c']);
  recent.forget('a');
  recent.forget('never there');
  t.same(idsOf(recent, 'u1'), ['c']);
  t.same(idsOf(recent, 'u2'), ['b']);
  t.same(idsOf(recent, 'u3'), []);
});

await t.test('the oldest reservations make room', async (t) => {
  const recent = new RecentReservations(3);
  for (const id of ['a', 'b', 'c', 'd']) recent.add(made(id, `buyer of ${id}`));
  t.same(idsOf(recent, 'buyer of a'), []);
  t.same(idsOf(recent, 'buyer of b'), ['b']);
  const many = new RecentReservations();
  for (let count = 0; count < 150; count += 1) many.add(made(`r${count}`, 'u1'));
  t.same(
    idsOf(many, 'u1'),
    Array.from({ length: 100 }, (_, index) => `r${index + 50}`),
  );
});

await t.test('metadata takes room as well, and gives it back', async (t) => {
  const recent = new RecentReservations(5);
  const metadata = { a: 'x'.repeat(2_000) };
  recent.add(made('small', 'u1'));
  recent.add({ ...made('large', 'u1'), metadata });
  t.same(idsOf(recent, 'u1'), ['small', 'large']);
  recent.add(made('next', 'u1'));
  t.same(idsOf(recent, 'u1'), ['large', 'next'], 'a large one counts as four');
  recent.forget('large');
  for (const id of ['a', 'b', 'c', 'd']) recent.add(made(id, 'u1'));
  t.same(idsOf(recent, 'u1'), ['next', 'a', 'b', 'c', 'd']);
});
