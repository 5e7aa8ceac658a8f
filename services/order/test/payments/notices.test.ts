// Goal: after its signature no notice vanishes: applied, or of another type, or kept with its bytes until a
// person or better software knows what it means. Method: the role `http` on a real Postgres, called as the
// gateway calls it; damage done to the database on purpose.
import { test } from 'tap';
import type { KeptNotice, KeptNoticePage } from '@seckill/contracts';
import { countOf } from '@seckill/testing';
import type { Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { makeNotice, readOrders, readPayments, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock, TOKENS } from '../support/stock.ts';

async function build(t: Test) {
  const database = await createDatabase(t);
  const service = await createService(t, database.pool, (await createStock(t)).url);
  const send = async (bytes: string | Buffer, webhookId = 'msg_1') => {
    const response = await service.app.inject({
      method: 'POST',
      url: '/v1/payments/notifications',
      headers: {
        authorization: `Bearer ${TOKENS.gateway}`,
        'content-type': 'application/octet-stream',
        'webhook-id': webhookId,
      },
      payload: bytes,
    });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  const list = async (query = '') => {
    const { status, body } = await service.call('GET', `/v1/notices${query}`);
    if (status !== 200) throw new Error(`${status}`);
    return body as unknown as KeptNoticePage;
  };
  return { ...database, ...service, send, list };
}

await test('a notice that is not understood is kept once with its bytes, and its repeats are counted', async (t) => {
  const { send, list, metrics, pool } = await build(t);
  const bytes = Buffer.from([0x7b, 0x00, 0xff, 0x27, 0x7d]);
  for (let repeat = 0; repeat < 3; repeat += 1) {
    t.same(await send(bytes, 'msg_7'), { status: 200, body: { result: 'kept' } });
  }
  await Promise.all(Array.from({ length: 10 }, () => send(bytes, 'msg_7')));
  await send(bytes, 'msg_8');
  await send('other bytes', 'msg_7');
  await send('', '');
  await send('{', 'x'.repeat(5_000));
  const { data } = await list();
  t.match(
    data.map(({ webhookId, deliveries, body, state }) => [webhookId.slice(0, 5), deliveries, body, state]),
    [
      ['msg_7', 13, bytes.toString('base64'), 'kept'],
      ['msg_8', 1, bytes.toString('base64'), 'kept'],
      ['msg_7', 1, Buffer.from('other bytes').toString('base64'), 'kept'],
      ['', 1, '', 'kept'],
      ['xxxxx', 1, Buffer.from('{').toString('base64'), 'kept'],
    ],
  );
  t.match(data[0], { reason: /not JSON/, receivedAt: /Z$/ });
  t.equal(await countOf(metrics.payments, 'kept'), 17);
  t.same(await readPayments(pool), []);
});

await test('another type is ignored and counted, and a notice with more fields than ours pays', async (t) => {
  const { send, list, metrics, pool } = await build(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{}]);
  const notice = makeNotice(order?.reservationId ?? '');
  t.same(await send(JSON.stringify({ ...notice, type: 'payment.failed' })), {
    status: 200,
    body: { result: 'ignored' },
  });
  t.equal(await countOf(metrics.payments, 'ignored'), 1);
  const more = {
    id: 'evt_1',
    ...notice,
    livemode: true,
    data: { ...notice.data, coupon_fee: 3, amount: { ...notice.data.amount, payer_total: 1 } },
  };
  t.same(await send(JSON.stringify(more)), { status: 200, body: { result: 'paid' } });
  t.same((await list()).data, [], 'nothing to keep');
  t.match(await readOrders(pool), [{ status: 'paid' }]);
});

await test('a kept notice is replayed once what it says is understood, and money counts once', async (t) => {
  const { send, list, call, pool } = await build(t);
  const saleId = await storeSale(pool, { orange: 10 });
  const [order] = await storeOrders(pool, saleId, [{}]);
  const notice = makeNotice(order?.reservationId ?? '');
  await send(JSON.stringify({ ...notice, timestamp: 1_795_348_805 }));
  const [kept] = (await list()).data;
  const path = `/v1/notices/${kept?.id ?? ''}/replay`;
  t.match(await call('POST', path), {
    status: 409,
    body: { code: 'notice_not_understood', detail: /timestamp/ },
  });
  t.match((await list()).data, [{ id: kept?.id, state: 'kept' }], 'it still waits');

  // The row is as it was and its bytes are understood now, as software that learned to read them would find
  // it.
  await pool.query('UPDATE kept_notices SET body = $1', [Buffer.from(JSON.stringify(notice))]);
  const answers = await Promise.all(Array.from({ length: 5 }, () => call('POST', path)));
  t.ok(answers.every(({ status, body }) => status === 200 && body['state'] === 'replayed'));
  t.match(await call('POST', path), { status: 200, body: { state: 'replayed', result: /paid$/ } });
  t.match(await readPayments(pool), [{ result: 'paid' }], 'once');
  t.match(await readOrders(pool), [{ status: 'paid' }]);
  t.same((await list()).data, []);
  t.match((await list('?state=replayed')).data, [{ id: kept?.id }]);
  const at = kept?.receivedAt ?? '';
  const after = new Date(Date.parse(at) + 1).toISOString();
  t.match((await list(`?state=replayed&since=${at}&until=${after}`)).data, [{ id: kept?.id }]);
  t.same((await list(`?state=replayed&since=${after}`)).data, []);
  t.same((await list(`?state=replayed&until=${at}`)).data, []);
  t.match(await call('POST', '/v1/notices/999/replay'), { status: 404, body: { code: 'notice_not_found' } });
  t.match(await call('POST', '/v1/notices/x%00/replay'), { status: 404, body: { code: 'notice_not_found' } });
});

await test('notices are listed page by page, oldest first; the list refuses parameters that it does not know', async (t) => {
  const { send, list, call, pool } = await build(t);
  for (let index = 0; index < 5; index += 1) await send('{', `msg_${index}`);
  // The notices have one instant, so the id decides.
  await pool.query(`UPDATE kept_notices SET received_at = '2026-11-22T12:00:00.000001Z'`);
  const seen: KeptNotice[] = [];
  for (let query = '?limit=2'; query !== '';) {
    const page = await list(query);
    seen.push(...page.data);
    query = page.nextCursor === undefined ? '' : `?limit=2&cursor=${page.nextCursor}`;
  }
  t.same(
    seen.map(({ webhookId }) => webhookId),
    ['msg_0', 'msg_1', 'msg_2', 'msg_3', 'msg_4'],
  );
  for (const query of ['?limit=0', '?limit=101', '?cursor=x', '?state=lost', '?colour=red']) {
    t.match(await call('GET', `/v1/notices${query}`), { status: 400 }, query);
  }
});

await test('a notice that cannot be kept is not answered 200', async (t) => {
  const { send, pool } = await build(t);
  await pool.query('ALTER TABLE kept_notices RENAME TO gone');
  t.match(await send('{'), { status: 500 });
  await pool.query('ALTER TABLE gone RENAME TO kept_notices');
  const client = await pool.connect();
  // Postgres ends whoever holds locks without a word for 3 s, as a frozen process of ours would (D89).
  await client.query('SET idle_in_transaction_session_timeout = 0');
  await client.query('BEGIN; LOCK TABLE kept_notices');
  t.match(await send('{'), { status: 503, body: { code: 'outcome_unknown', retryable: true } });
  await client.query('ROLLBACK');
  client.release(true);
  t.match(await send('{'), { status: 200, body: { result: 'kept' } });
});
