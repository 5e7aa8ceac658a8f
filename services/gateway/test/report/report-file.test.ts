// Goal: each table of a report is a file whose rows add up, for programs and for spreadsheets.
// Method: one report that has everything, as order answers it; the gateway asked with all that may stand in
// Accept, before an order service of the test.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { ReportTable, SaleReport } from '@seckill/contracts';
import t from 'tap';
import { reportFile } from '../../src/report/report-file.ts';
import { startGateway, tokenOf } from '../support/gateway.ts';

const cny = (amount: number) => ({ amount, currency: 'CNY' });
const sold = (paid: number, back = 0) => ({
  units: { pending: 1, paid, cancelled: 2, expired: 3, refused: 0 },
  amounts: {
    pending: cny(100),
    paid: cny(paid * 100),
    cancelled: cny(200),
    expired: cny(300),
    refused: cny(0),
  },
  amountPaid: cny(paid * 100),
  returned: back,
  restocked: 0,
  amountReturned: cny(back * 100),
  commissionBase: cny((paid - back) * 100),
});
const ref = (name: string, paidUnits: number) => ({
  ref: name,
  paidUnits,
  amountPaid: cny(paidUnits * 100),
  amountReturned: cny(0),
  commissionBase: cny(paidUnits * 100),
});

const REPORT: SaleReport = {
  saleId: 'pears',
  asOf: '2026-11-29T12:00:00.000Z',
  totals: { total: 50, available: 40, ...sold(9, 1), refundDue: 1 },
  items: [{ sku: 'pear', title: { zh: '梨', en: '@Pears' }, total: 50, available: 40, ...sold(9, 1) }],
  channels: [
    {
      id: 'xingfu-li',
      kind: 'community',
      title: '+幸福里',
      partnerId: '=p-7',
      pickupPointId: '-store-3',
      cap: 30,
      ...sold(7, 1),
      refs: [ref('=1+1', 5), ref('a"b', 2)],
    },
  ],
  direct: { ...sold(2), refs: [ref('x', 1)] },
  partners: [{ partnerId: '=p-7', channelIds: ['xingfu-li', 'xhs'], ...sold(7, 1) }],
  perMinute: [{ minute: '2026-11-29T12:00:00.000Z', reserved: 15, paid: 9, ended: 5, returned: 1 }],
  refunds: [{ state: 'due', reason: 'returned', count: 1, amount: cny(100) }],
  leftOut: { refs: 0, minutes: 0 },
};

void t.test('each table is a file with a name for each column', (t) => {
  const lines = (table: ReportTable, language: 'en' | 'zh' = 'en') => {
    const text = reportFile(REPORT, table, language);
    t.ok(text.startsWith('\ufeff') && text.endsWith('\r\n'));
    return text.slice(1, -2).split('\r\n');
  };
  const names = [
    '"unitsPending","unitsPaid","unitsCancelled","unitsExpired","unitsRefused","unitsReturned","unitsRestocked"',
    '"amountPending","amountPaid","amountCancelled","amountExpired","amountRefused","amountReturned","commissionBase"',
    '"currency"',
  ].join();
  t.same(lines('channels'), [
    `"channelId","kind","title","partnerId","pickupPointId","cap",${names}`,
    `"xingfu-li","community","'+幸福里","'=p-7","'-store-3",30,1,7,2,3,0,1,0,100,700,200,300,0,100,600,"CNY"`,
    ',,,,,,1,2,2,3,0,0,0,100,200,200,300,0,0,200,"CNY"',
  ]);
  t.same(lines('items'), [
    `"sku","title","total","available",${names}`,
    `"pear","'@Pears",50,40,1,9,2,3,0,1,0,100,900,200,300,0,100,800,"CNY"`,
  ]);
  t.match(lines('items', 'zh')[1], '"梨"');
  t.match(lines('partners')[1], `"'=p-7","xingfu-li xhs",1,7,`);
  t.same(lines('refs').slice(1), [
    `"xingfu-li","'=1+1",5,500,0,500,"CNY"`,
    '"xingfu-li","a""b",2,200,0,200,"CNY"',
    ',"x",1,100,0,100,"CNY"',
  ]);
  t.match(lines('minutes')[1], '"2026-11-29T12:00:00.000Z",15,9,5,1');
  t.match(lines('refunds')[1], '"due","returned",1,100,"CNY"');
  t.end();
});

void t.test('who asks for a file gets one, and everybody else JSON', async (t) => {
  const order = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url?.endsWith('/report') === true ? REPORT : {}));
  }).listen(0, '127.0.0.1');
  await once(order, 'listening');
  const { port } = order.address() as AddressInfo;
  const gateway = await startGateway({ ORDER_URL: `http://127.0.0.1:${port}`, RATE_LIMIT_USER_MAX: '1000' });
  t.teardown(async () => {
    await gateway.stop();
    order.close();
  });
  const authorization = `Bearer ${await tokenOf('op', 'sale:admin')}`;
  const ask = async (query = '', headers: Record<string, string> = {}) =>
    gateway.app.inject({ url: `/v1/sales/pears/report${query}`, headers: { authorization, ...headers } });

  const json = await ask();
  t.same(json.json(), REPORT);
  t.match(json.headers, { 'cache-control': 'no-store', vary: /(^|, )accept(,|$)/ });
  for (const accept of ['*/*', 'application/json', 'text/csv;q=0.5, application/json', 'image/png']) {
    t.match((await ask('', { accept })).headers, { 'content-type': /^application\/json/ }, accept);
  }
  for (const accept of ['text/csv', 'application/json;q=0.5, text/csv', 'text/csv, */*;q=0.1']) {
    const file = await ask('', { accept, 'accept-language': 'zh' });
    t.match(file.headers, {
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="report-pears-channels.csv"',
      'content-language': 'zh-CN',
    });
    t.equal(file.body, reportFile(REPORT, 'channels', 'zh'), accept);
  }
  const linked = await ask('?format=csv&table=partners');
  t.match(linked.headers, { 'content-disposition': 'attachment; filename="report-pears-partners.csv"' });
  t.equal(linked.body, reportFile(REPORT, 'partners', 'en'));
  for (const query of ['?format=xls', '?table=orders', '?x=1'])
    t.equal((await ask(query)).statusCode, 400, query);
  const buyer = { authorization: `Bearer ${await tokenOf('u1')}` };
  t.equal((await ask('', buyer)).statusCode, 403);
});
