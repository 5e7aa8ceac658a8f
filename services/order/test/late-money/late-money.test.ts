// Goal: whoever paid late is asked for until it is decided, through every outage and by any number of
// processes; what cannot be had, or is not decided in five minutes, is due for refund.
// Method: the real worker on a real Postgres; stock is a stand-in that answers as told. Then the whole role
// `http` over HTTP.
import type { RetakeAnswer } from '@seckill/contracts';
import { transaction, UpstreamError } from '@seckill/runtime';
import { countOf, silent } from '@seckill/testing';
import { test, type Test } from 'tap';
import { createLateMoneyStore } from '../../src/late-money/late-money-store.ts';
import { LateMoney } from '../../src/late-money/late-money.ts';
import { expireOrders } from '../../src/ledger/settlement.ts';
import { createDatabase } from '../support/database.ts';
import { buildEnds, until } from '../support/build.ts';
import { makeNotice, readPayments, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function createWorker(t: Test, orders: number) {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 }, { lateMoney: 'retake' });
  const stored = await storeOrders(
    pool,
    saleId,
    Array<object>(orders).fill({ reservedAt: 1, expiresAt: 1_000 }),
  );
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 1_000 }));
  const { payments, metrics } = buildEnds(pool);
  for (const { reservationId } of stored) await payments.accept(makeNotice(reservationId));
  let now = 0;
  const asked: string[][] = [];
  const clock = { now: () => now, sleep: async (ms: number) => void (now += ms) };
  const answers = { of: (_id: string): RetakeAnswer => ({ result: 'taken', reason: 'retaken' }) };
  const stock = {
    retake: async (ids: string[]) => {
      asked.push(ids);
      return ids.map((id) => answers.of(id));
    },
  };
  const deps = { store: createLateMoneyStore(pool), stock, clock, logger: silent, metrics };
  const worker = new LateMoney(deps);
  const pass = (ms: number) => {
    now += ms;
    return worker.pass();
  };
  const ids = stored.map(({ reservationId }) => reservationId);
  return { pool, ids, asked, answers, pass, metrics, deps, stock };
}

await test('what is taken is asked for again only if nothing came of it; what cannot be had is due', async (t) => {
  const { pool, ids, asked, answers, pass, metrics } = await createWorker(t, 3);
  const [taken = '', soldOut = '', unsettled = ''] = ids;
  answers.of = (id) => {
    if (id === soldOut) return { result: 'refused', reason: 'sold_out' };
    return id === taken ? { result: 'taken', reason: 'retaken' } : { result: 'later', reason: 'unsettled' };
  };
  t.equal(await pass(0), false);
  t.same(asked, [ids]);
  t.match(await readPayments(pool), [
    { result: 'retaking' },
    { result: 'refund_due' },
    { result: 'retaking' },
  ]);
  t.equal(await countOf(metrics.lateMoney, 'refunded'), 1);
  t.equal(await countOf(metrics.refundsDue, 'order_ended'), 1);
  await pass(100);
  t.equal(asked.length, 1, 'nobody is due');
  await pass(200);
  t.same(asked[1], [unsettled], 'its settlement may have come');
  await pass(5_000);
  t.same(asked[2], [taken, unsettled], 'a Redis that lost its tail is asked again');
});

await test('a hundred go in one call, and the next hundred follow at once', async (t) => {
  const { asked, pass } = await createWorker(t, 130);
  t.equal(await pass(0), true);
  t.equal(await pass(0), false);
  t.same(
    asked.map(({ length }) => length),
    [100, 30],
  );
  t.equal(new Set(asked.flat()).size, 130);
});

await test('what is not decided in five minutes is given up, also while stock is away', async (t) => {
  const { pool, asked, pass, stock, metrics } = await createWorker(t, 2);
  stock.retake = async () => {
    throw new UpstreamError('unreachable', 'stock is away', undefined);
  };
  await t.rejects(pass(0), UpstreamError);
  t.match(await readPayments(pool), [{ result: 'retaking' }, { result: 'retaking' }]);
  await pool.query(`UPDATE payments SET result_at = now() - interval '301 seconds' WHERE payment_id IN (
    SELECT payment_id FROM payments LIMIT 1)`);
  await t.rejects(pass(300), UpstreamError);
  t.same((await readPayments(pool)).map(({ result }) => result).sort(), ['refund_due', 'retaking']);
  t.equal(await countOf(metrics.lateMoney, 'given_up'), 1);
  t.same(asked, []);
});

await test('the loop waits through an outage, and a notice that another process took is found', async (t) => {
  const { deps, asked, stock, pool, ids, answers } = await createWorker(t, 1);
  const retake = stock.retake;
  let failures = 0;
  stock.retake = async (ids) => {
    if (failures < 3) {
      failures += 1;
      throw new UpstreamError('unknown', 'no answer', undefined);
    }
    return retake(ids);
  };
  answers.of = () => ({ result: 'refused', reason: 'sold_out' });
  const abort = new AbortController();
  const clock = {
    now: () => Date.now(),
    sleep: (_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, 5)),
  };
  const running = new LateMoney({ ...deps, clock }).run(abort.signal);
  await until('it is decided', async () => (await readPayments(pool))[0]?.result === 'refund_due');
  abort.abort();
  await running;
  t.same([failures, asked], [3, [ids]]);
});

await test('the role http asks stock for the units as soon as the notice is stored', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const saleId = await storeSale(pool, { orange: 1 }, { lateMoney: 'retake' });
  await pool.query('UPDATE sales SET acknowledged_version = version');
  const [order] = await storeOrders(pool, saleId, [{ reservedAt: 1, expiresAt: 1_000 }]);
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 10 }));
  const id = order?.reservationId ?? '';
  stock.retakes.set(id, { result: 'refused', reason: 'sold_out' });
  const body = makeNotice(id);
  t.match(await call('POST', '/v1/payments/notifications', { body }), { body: { result: 'recorded' } });
  await until('it is decided', async () => (await readPayments(pool))[0]?.result === 'refund_due');
  t.match(await call('POST', '/v1/payments/notifications', { body }), { body: { result: 'refund_due' } });
});

await test('a check names retakes apart: what is stored has its verdict, and nothing else is known', async (t) => {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 1 }, { lateMoney: 'retake' });
  const [order] = await storeOrders(pool, saleId, [{ reservedAt: 1, expiresAt: 1_000, sequence: 1 }]);
  await transaction(pool, (client) => expireOrders(client, { graceMs: 0, countMax: 10 }));
  const reservationId = order?.reservationId ?? '';
  await pool.query(`INSERT INTO retakes VALUES ($1, 0, 1, 2, $2, 'paid')`, [saleId, reservationId]);
  const ask = (retake: string) =>
    call('POST', `/internal/sales/${saleId}/verdicts`, {
      body: { reservationIds: [], retakes: [{ reservationId, retake }] },
    });
  t.same((await ask('1-2')).body, {
    ended: [{ reservationId, retake: '1-2', verdict: 'paid' }],
    unknown: [],
  });
  t.same((await ask('1-3')).body, { ended: [], unknown: [reservationId] }, 'though its order has expired');
  const open = (sequence: number) =>
    call('POST', `/internal/sales/${saleId}/openings`, {
      body: { lane: 0, epoch: 1, sequence, version: 1, ends: ['0'] },
    });
  t.match((await open(1)).body, { granted: false, refusal: 'behind' }, 'Redis lacks the retake');
  t.match((await open(3)).body, { granted: false, refusal: 'ahead' });
  t.match((await open(2)).body, { granted: true });
  const { body } = await call('GET', `/internal/sales/${saleId}/ledger`);
  t.match(body['lanes'], [{ sequence: 2, gaps: 0 }], 'the sequence of a retake is no gap');
});
