// Goal: the intake judges limits of buyers and caps of channels where Redis could not: orders that come late,
// and what is sold under an epoch whose snapshot lacks one (INV-6).
// Method: the real intake on a real Postgres, fed batch by batch as Kafka's client would.
import type { ReservationCreated } from '@seckill/contracts';
import { countOf } from '@seckill/testing';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { buildEnds, buildIntake, makeContext } from '../support/build.ts';
import {
  findLedgerMismatches,
  makeReservation,
  raiseEpoch,
  readOrders,
  readSold,
  readVerdicts,
  storeSale,
  toBatch,
} from '../support/reservations.ts';

const CAPPED = { id: 'xhs', kind: 'content', title: '小红书', cap: 3 } as const;

/** An order of this buyer or channel. The order is late unless it names epoch 2. */
const order = (saleId: string, quantity: number, changes: Partial<ReservationCreated> = {}) =>
  makeReservation(saleId, { lines: [{ sku: 'orange', quantity, price: 1 }], ...changes });

/** A sale with a limit of 3 and a cap of 3, and an intake that takes one batch after the other. */
async function createLimited(t: Test, epoch = 2) {
  const { pool } = await createDatabase(t);
  const limits = { limitPerBuyer: 3, channels: [CAPPED] };
  const saleId = await storeSale(pool, { orange: 100, mango: 100 }, limits);
  const { intake, metrics } = buildIntake(pool);
  let offset = 0;
  const take = async (...values: ReservationCreated[]) => {
    await intake.handleBatch(toBatch(values, { offset }), makeContext().context);
    offset += values.length;
    const orders = new Map((await readOrders(pool)).map((one) => [one.id, one]));
    return values.map(({ reservationId }) => {
      const { status, refusal } = orders.get(reservationId) ?? { status: 'missing', refusal: null };
      return refusal ?? status;
    });
  };
  await raiseEpoch(pool, saleId, epoch);
  return { pool, saleId, metrics, take };
}

await test("a late order beyond its item's limit is refused, whatever other items it has (INV-6)", async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  await pool.query(
    `UPDATE sales SET definition = jsonb_set(definition, '{items,0,limitPerBuyer}', '2') WHERE id = $1`,
    [saleId],
  );
  const { rows } = await pool.query(`SELECT definition #>> '{items,0,sku}' AS sku FROM sales`);
  t.same(rows, [{ sku: 'orange' }]);
  const mixed = (orange: number) =>
    order(saleId, 1, {
      userId: 'a',
      lines: [
        { sku: 'mango', quantity: 1, price: 1 },
        { sku: 'orange', quantity: orange, price: 1 },
      ],
    });
  t.same(await take(order(saleId, 1, { epoch: 2, userId: 'a' })), ['pending'], 'reserved anew');
  t.same(await take(mixed(2)), ['limit']);
  t.same(await take(mixed(1)), ['pending']);
  t.same(await take(order(saleId, 1, { userId: 'b' }), order(saleId, 2, { userId: 'b' })), [
    'pending',
    'limit',
  ]);
  t.same(await findLedgerMismatches(pool), []);
});

await test('a late order beyond the limit of its buyer is refused, one within it is stored (INV-6)', async (t) => {
  const { pool, saleId, metrics, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { epoch: 2, userId: 'a' })), ['pending'], 'reserved anew');
  const beyond = order(saleId, 2, { userId: 'a' });
  t.same(await take(beyond, order(saleId, 1, { userId: 'a' }), order(saleId, 3, { userId: 'b' })), [
    'limit',
    'pending',
    'pending',
  ]);
  t.equal(await readSold(pool, saleId), 6);
  t.same(await findLedgerMismatches(pool), []);
  t.equal(await countOf(metrics.intakeAlarms, 'limit'), 1);
  t.same((await readVerdicts(pool)).get(beyond.reservationId), ['refused']);
  t.equal(await countOf(metrics.distrustedEpochs, 'late_row'), 1);
  t.same(await take(beyond), ['limit']);
  t.equal(await countOf(metrics.intakeAlarms, 'limit'), 1, 'a repeat of the refused one is a duplicate');
});

await test('a late order beyond the cap of its channel is refused, one within it is stored (INV-6)', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { epoch: 2, channelId: 'xhs' })), ['pending']);
  const [beyond, within, elsewhere] = [
    order(saleId, 2, { channelId: 'xhs' }),
    order(saleId, 1, { channelId: 'xhs' }),
    order(saleId, 3),
  ];
  t.same(await take(beyond, within, elsewhere), ['limit', 'pending', 'pending']);
  t.equal(await readSold(pool, saleId), 6);
});

await test('late orders of one batch count one after another, by sequence, in all their lines', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  const lines = ['orange', 'mango'].map((sku) => ({ sku, quantity: 1, price: 1 }));
  const [first, second, third] = [
    order(saleId, 0, { userId: 'a', lines }),
    order(saleId, 2, { userId: 'a' }),
    order(saleId, 1, { userId: 'a' }),
  ];
  t.same(await take(third, second, first), ['pending', 'limit', 'pending']);
  t.equal(await readSold(pool, saleId), 2);
  await pool.query(`UPDATE ledger SET sold = total WHERE sku = 'mango'`);
  const short = order(saleId, 0, { userId: 'b', lines: [{ sku: 'mango', quantity: 3, price: 1 }] });
  t.same(
    await take(short, order(saleId, 3, { userId: 'b' })),
    ['ledger', 'pending'],
    'what the ledger refused uses up nothing',
  );
});

await test('paid units count against a late order, cancelled ones do not', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  const { orders } = buildEnds(pool);
  for (const [userId, end, expected] of [
    ['payer', (id: string) => orders.paySandbox(id, 'payer'), 'limit'],
    ['leaver', (id: string) => orders.cancel(id, 'leaver'), 'pending'],
  ] as const) {
    const known = order(saleId, 3, { epoch: 2, userId });
    await take(known);
    await end(known.reservationId);
    t.same(await take(order(saleId, 1, { userId })), [expected], userId);
  }
});

await test('an order that is not late is not judged again: Redis has', async (t) => {
  const { saleId, take } = await createLimited(t);
  const of = (quantity: number) => order(saleId, quantity, { epoch: 2, userId: 'a', channelId: 'xhs' });
  t.same(await take(of(2), of(2)), ['pending', 'pending']);
  t.same(await take(of(2)), ['pending']);
});

await test('what is sold under an epoch that lacks a late order is judged too, up to the next snapshot (INV-6)', async (t) => {
  const { pool, saleId, take } = await createLimited(t);
  t.same(await take(order(saleId, 2, { userId: 'a' })), ['pending'], 'late, and the first to come');
  const anew = () => order(saleId, 2, { epoch: 2, userId: 'a' });
  t.same(await take(anew()), ['limit'], 'Redis had not counted the late one');
  t.same(await take(order(saleId, 1, { epoch: 2, userId: 'a' })), ['pending']);
  await raiseEpoch(pool, saleId, 3);
  t.same(await take({ ...anew(), epoch: 3 }), ['pending'], 'the snapshot has it: Redis judges again');
});

await test('a late order and a new one that are stored at the same moment see each other (INV-6)', async (t) => {
  const { pool, saleId } = await createLimited(t);
  const takers = [0, 1].map((partition) => ({ partition, ...buildIntake(pool) }));
  for (let round = 0; round < 10; round += 1) {
    const userId = `racer-${round}`;
    const late = order(saleId, 2, { userId });
    // The other order has another SKU, so the two have no row of the ledger in common.
    const lines = [{ sku: 'mango', quantity: 2, price: 1 }];
    const anew = order(saleId, 2, { userId, epoch: 2, lines });
    await Promise.all(
      takers.map(({ intake, partition }) =>
        intake.handleBatch(
          toBatch([partition === 0 ? late : anew], { partition, offset: round }),
          makeContext().context,
        ),
      ),
    );
    // The next round begins as the first one did.
    await pool.query('UPDATE ledger SET late_epoch = NULL');
  }
  const statuses = (await readOrders(pool)).map(({ status, refusal }) => refusal ?? status);
  t.equal(statuses.filter((status) => status === 'limit').length, 10, 'one of each pair');
  t.equal(statuses.filter((status) => status === 'pending').length, 10);
  t.same(await findLedgerMismatches(pool), []);
});
