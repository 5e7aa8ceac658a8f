// Goal: a report says what was sold, in units and money, and adds up to the ledger of its own snapshot.
// Method: orders stored by the real intake, paid, cancelled, expired and returned as in life, then all of it
// at once while reports are read; each report is held against the ledger that it names itself.
import type { SaleReport } from '@seckill/contracts';
import { transaction, type Pool } from '@seckill/runtime';
import { test, type Test } from 'tap';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { MINUTES_MAX, REFS_MAX } from '../../src/report/report-reading.ts';
import { Reports } from '../../src/report/reports.ts';
import { buildEnds } from '../support/build.ts';
import { createDatabase } from '../support/database.ts';
import { findLedgerMismatches, makeNotice, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const CHANNELS = [
  {
    id: 'xingfu-li',
    kind: 'community' as const,
    title: '幸福里',
    partnerId: 'p-7',
    pickupPointId: 'store-3',
    cap: 50,
  },
  { id: 'yangguang', kind: 'community' as const, title: '阳光城', partnerId: 'p-7' },
  { id: 'xhs', kind: 'content' as const, title: '小红书' },
];
const ORANGES = (quantity: number) => ({ sku: 'orange', quantity, price: 100 });
const MANGOES = (quantity: number) => ({ sku: 'mango', quantity, price: 30 });
const MINUTE = Date.parse('2026-11-29T12:00:00Z');
const FAR = Date.parse('2098-01-01T00:00:00Z');

const cny = (amount: number) => ({ amount, currency: 'CNY' });

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const service = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 1_000, mango: 500 }, { channels: CHANNELS });
  const { orders, payments } = buildEnds(pool);
  const pay = async (orderId: string, amount: number) =>
    payments.accept(makeNotice(orderId, { amount: cny(amount) }));
  const giveBack = async (orderId: string, key: string, body: object) =>
    service.call('POST', `/v1/sales/${saleId}/orders/${orderId}/returns`, {
      userId: 'op',
      headers: { 'idempotency-key': key },
      body,
    });
  const report = async () => {
    const answer = await service.call('GET', `/v1/sales/${saleId}/report`);
    t.equal(answer.status, 200);
    return answer.body as unknown as SaleReport;
  };
  return { ...service, pool, saleId, orders, pay, giveBack, report };
}

await test('units and money by status, item, channel, partner and minute', async (t) => {
  const { pool, saleId, orders, pay, giveBack, report, call } = await build(t);
  const far = { expiresAt: Date.now() + 3_600_000 };
  const at = (second: number) => ({ reservedAt: MINUTE + second * 1_000, ...far });
  const [group, other, content, direct, cancelled, expired] = (
    await storeOrders(pool, saleId, [
      { ...at(1), lines: [ORANGES(3), MANGOES(2)], channelId: 'xingfu-li', ref: 'note-1' },
      { ...at(2), lines: [ORANGES(1)], channelId: 'yangguang', ref: 'note-1' },
      { ...at(61), lines: [MANGOES(4)], channelId: 'xhs', ref: '=note' },
      { ...at(62), lines: [ORANGES(5)] },
      { ...at(63), lines: [MANGOES(1)], userId: 'u5' },
      { ...at(64), lines: [MANGOES(7)], channelId: 'xhs', expiresAt: 1_000 },
    ])
  ).map(({ reservationId }) => reservationId);
  await pay(group ?? '', 360);
  await pay(other ?? '', 100);
  await pay(content ?? '', 120);
  await pay(direct ?? '', 1);
  await orders.cancel(cancelled ?? '', 'u5');
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 100 }));
  await giveBack(group ?? '', 'k1', {
    lines: [
      { sku: 'orange', quantity: 1 },
      { sku: 'mango', quantity: 1 },
    ],
    restock: true,
  });
  await giveBack(group ?? '', 'k2', { lines: [{ sku: 'mango', quantity: 1 }], restock: false });
  t.ok(expired);

  const { totals, items, channels, partners, perMinute, refunds, leftOut, ...rest } = await report();
  t.match(totals, {
    total: 1_500,
    available: 1_500 - 5 - 10 + 2,
    units: { pending: 5, paid: 10, cancelled: 1, expired: 7, refused: 0 },
    amounts: { pending: cny(500), paid: cny(580), cancelled: cny(30), expired: cny(210), refused: cny(0) },
    amountPaid: cny(580),
    returned: 3,
    restocked: 2,
    amountReturned: cny(160),
    commissionBase: cny(420),
    refundDue: 3,
  });
  t.match(items, [
    {
      sku: 'orange',
      total: 1_000,
      available: 1_000 - 5 - 4 + 1,
      units: { pending: 5, paid: 4 },
      restocked: 1,
    },
    {
      sku: 'mango',
      total: 500,
      available: 500 - 6 + 1,
      units: { paid: 6, cancelled: 1, expired: 7 },
      returned: 2,
      restocked: 1,
      amountReturned: cny(60),
    },
  ]);
  t.match(
    channels.map(({ id, commissionBase, refs }) => ({ id, commissionBase, refs })),
    [
      {
        id: 'xingfu-li',
        commissionBase: cny(200),
        refs: [{ ref: 'note-1', paidUnits: 5, amountPaid: cny(360), commissionBase: cny(200) }],
      },
      { id: 'yangguang', commissionBase: cny(100), refs: [{ ref: 'note-1', paidUnits: 1 }] },
      { id: 'xhs', commissionBase: cny(120), refs: [{ ref: '=note', paidUnits: 4 }] },
    ],
  );
  t.match(channels[0], { cap: 50, partnerId: 'p-7', pickupPointId: 'store-3', kind: 'community' });
  t.match(rest.direct, { units: { pending: 5, cancelled: 1 }, refs: [] });
  t.match(partners, [
    {
      partnerId: 'p-7',
      channelIds: ['xingfu-li', 'yangguang'],
      commissionBase: cny(300),
      units: { paid: 6 },
    },
  ]);
  t.match(perMinute.slice(0, 2), [
    { minute: '2026-11-29T12:00:00.000Z', reserved: 6, paid: 0 },
    { minute: '2026-11-29T12:01:00.000Z', reserved: 17 },
  ]);
  const sum = (field: 'paid' | 'ended' | 'returned') =>
    perMinute.reduce((units, minute) => units + minute[field], 0);
  t.same([sum('paid'), sum('ended'), sum('returned')], [10, 8, 3]);
  t.match(refunds, [
    { state: 'due', reason: 'returned', count: 2, amount: cny(160) },
    { state: 'due', reason: 'wrong_amount', count: 1, amount: cny(1) },
  ]);
  t.same(leftOut, { refs: 0, minutes: 0 });

  const due = await call('GET', `/v1/refunds?saleId=${saleId}`);
  const id = (due.body['data'] as { id: string; reason: string }[]).find(
    ({ reason }) => reason === 'returned',
  )?.id;
  await call('POST', `/v1/refunds/${id}/done`, { body: { reference: 're_1' } });
  const after = await report();
  t.match(
    after.refunds.map(({ state, reason, count }) => [state, reason, count].join(' ')),
    ['due returned 1', 'due wrong_amount 1', 'done returned 1'],
  );
  t.equal(after.totals.refundDue, 2);
  t.match(await call('GET', '/v1/sales/nowhere/report'), { status: 404, body: { code: 'sale_not_found' } });
});

/** What every report must say whatever is under way. */
function disagreements({ totals, items, channels, direct, partners, perMinute }: SaleReport): string[] {
  const findings: string[] = [];
  const check = (name: string, one: unknown, other: unknown) => {
    if (JSON.stringify(one) !== JSON.stringify(other)) {
      findings.push(`${name}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`);
    }
  };
  for (const { sku, total, available, units, restocked } of items) {
    check(`${sku}: ledger and orders`, total - available, units.pending + units.paid - restocked);
  }
  const parts = [...channels, direct];
  for (const status of ['pending', 'paid', 'cancelled', 'expired', 'refused'] as const) {
    const unitsOf = (rows: Pick<typeof totals, 'units'>[]) =>
      rows.reduce((sum, { units }) => sum + units[status], 0);
    const amountOf = (rows: Pick<typeof totals, 'amounts'>[]) =>
      rows.reduce((sum, { amounts }) => sum + amounts[status].amount, 0);
    check(`${status}: items`, unitsOf(items), totals.units[status]);
    check(`${status}: channels`, unitsOf(parts), totals.units[status]);
    check(`${status}: money of items`, amountOf(items), totals.amounts[status].amount);
    check(`${status}: money of channels`, amountOf(parts), totals.amounts[status].amount);
  }
  const base = (rows: Pick<typeof totals, 'commissionBase'>[]) =>
    rows.reduce((sum, { commissionBase }) => sum + commissionBase.amount, 0);
  check('commission', base(parts), totals.commissionBase.amount);
  check('partners', base(partners), base(channels.filter(({ partnerId }) => partnerId !== undefined)));
  const minutes = (field: 'reserved' | 'paid' | 'ended' | 'returned') =>
    perMinute.reduce((sum, minute) => sum + minute[field], 0);
  const all = Object.values(totals.units).reduce((sum, units) => sum + units, 0);
  check('minutes: reserved', minutes('reserved'), all);
  check('minutes: paid', minutes('paid'), totals.units.paid);
  check('minutes: ended', minutes('ended'), all - totals.units.paid - totals.units.pending);
  check('minutes: returned', minutes('returned'), totals.returned);
  return findings;
}

await test('every report adds up to the ledger of its snapshot while orders change', async (t) => {
  const { pool, saleId, orders, pay, giveBack } = await build(t);
  const reports = new Reports(pool);
  const storm = new AbortController();
  const read = (async () => {
    const seen: SaleReport[] = [];
    while (!storm.signal.aborted) seen.push(await reports.read(saleId));
    return seen;
  })();
  const ids: { id: string; userId: string; amount: number }[] = [];
  for (let round = 0; round < 8; round += 1) {
    const stored = await storeOrders(
      pool,
      saleId,
      Array.from({ length: 40 }, (_, index) => ({
        lines: index % 3 === 0 ? [ORANGES(1), MANGOES(2)] : index % 3 === 1 ? [ORANGES(2)] : [MANGOES(1)],
        ...(index % 4 === 3 ? {} : { channelId: ['xingfu-li', 'yangguang', 'xhs'][index % 4] ?? 'xhs' }),
        ...(index % 2 === 0 ? { ref: `note-${index % 5}` } : {}),
        // Some are over as soon as they are stored.
        expiresAt: index % 10 === 0 ? 1_000 : Date.now() + 3_600_000,
      })),
    );
    ids.push(
      ...stored.map(({ reservationId: id, userId, lines }) => ({
        id,
        userId,
        amount: lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0),
      })),
    );
    const some = ids.slice(-40);
    const expiring = transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 500 }));
    const cancelling = some
      .slice(30, 35)
      .map(({ id, userId }) => orders.cancel(id, userId).catch(() => undefined));
    await Promise.all([
      ...some.slice(0, 25).map(({ id, amount }) => pay(id, amount)),
      ...cancelling,
      expiring,
    ]);
    await Promise.all(
      some.slice(1, 8).map(({ id, amount }, index) =>
        giveBack(id, 'k', {
          lines: [{ sku: amount === 30 ? 'mango' : 'orange', quantity: 1 }],
          restock: index % 2 > 0,
        }),
      ),
    );
  }
  storm.abort();
  const seen = await read;
  t.ok(seen.length > 8, `${seen.length} reports were read meanwhile`);
  const different = new Set(seen.map(({ totals }) => JSON.stringify(totals)));
  t.ok(different.size > 5, `${different.size} of them differ`);
  t.same(
    seen.flatMap((report) => disagreements(report)),
    [],
  );
  t.same(await findLedgerMismatches(pool), []);
  const last = await reports.read(saleId);
  t.ok(
    last.totals.returned > 20 &&
      last.totals.restocked < last.totals.returned &&
      last.totals.units.expired > 0,
  );
});

await test('who asks at the same time gets the same report', async (t) => {
  const { pool, saleId } = await build(t);
  const reports = new Reports(pool);
  const [one, other] = await Promise.all([reports.read(saleId), reports.read(saleId)]);
  t.equal(one, other);
  t.not(await reports.read(saleId), one);
  await t.rejects(reports.read('nowhere'), { code: 'sale_not_found' });
  await t.rejects(reports.read('nowhere'), { code: 'sale_not_found' }, 'a failure is not kept');
});

/** Buyers write refs, and a sale may last for months. */
await test('what a crowd can make many of is bounded, and the report says so', async (t) => {
  const { pool, saleId, report } = await build(t);
  await fill(pool, saleId, MINUTES_MAX + 20);
  const { channels, perMinute, leftOut, totals } = await report();
  t.equal(channels.find(({ id }) => id === 'xhs')?.refs.length, REFS_MAX);
  t.equal(perMinute.length, MINUTES_MAX);
  t.same(leftOut, { refs: MINUTES_MAX + 20 - REFS_MAX, minutes: 20 });
  t.equal(totals.units.paid, MINUTES_MAX + 20, 'the sums have all of them');
});

/** An order a minute, each with a ref of its own, straight into PostgreSQL. */
async function fill(pool: Pool, saleId: string, count: number): Promise<void> {
  await pool.query(
    `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
       currency, channel_id, ref, status, reserved_at, expires_at, paid_at)
     SELECT $1 || '.0.' || lpad(number::text, 16, '0'), $1, 0, 1, number, 'u' || number, 'k', 'f',
       '[{"sku":"orange","quantity":1,"price":100}]', 100, 'CNY', 'xhs', 'note-' || number, 'paid', at, at, at
     FROM generate_series(1, $2::int) AS number, LATERAL (SELECT now() + number * interval '1 minute' AS at) AS instant`,
    [saleId, count],
  );
}

await test('a sum that no number holds exactly is told to nobody', async (t) => {
  const { pool, saleId, report, call } = await build(t);
  await pool.query('UPDATE ledger SET total = 10000000');
  // The most units in a message, at the highest price: 2 × 10^14.
  const lines = [{ sku: 'orange', quantity: 200_000, price: 1_000_000_000 }];
  const store = async (count: number, changes: object) =>
    storeOrders(
      pool,
      saleId,
      Array.from({ length: count }, () => ({ lines, expiresAt: FAR, ...changes })),
    );
  await store(44, { channelId: 'xhs', ref: 'note' });
  await store(1, {});
  t.match(await report(), {
    totals: { amounts: { pending: cny(9_000_000_000_000_000) } },
    direct: { amounts: { pending: cny(200_000_000_000_000) } },
  });
  // Each channel by itself stays below 2^53.
  await store(1, {});
  const answer = await call('GET', `/v1/sales/${saleId}/report`);
  t.match(answer, { status: 500, body: { code: 'internal', retryable: false } });
  t.match(answer.body['detail'], /2\^53/);
});
