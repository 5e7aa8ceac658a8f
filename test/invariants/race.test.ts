// Goal: INV-1 at saturation. Thousands of buyers race for one SKU over HTTP and exactly the total is sold,
// stored and answered. Method: autocannon as fast as it can (closed loop: it shows correctness here, not
// latency), a user, token and key per request; then Redis and Postgres are asked.
import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';
import t from 'tap';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { unitsOf } from '../../bench/src/audit/units.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { buildStack, saleInput } from '../support/stack.ts';

const TOTAL = 1_500;
const REQUESTS = 6_000;

await t.test('6,000 racing buyers get exactly the 1,500 units there are', async (t) => {
  const client = await buildStack(t, 'race');
  const engines = new EngineReader(client.stack.info);
  t.teardown(() => engines.close());
  const item = { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: TOTAL };
  const created = await client.send({
    method: 'POST',
    path: '/v1/sales',
    token: await client.token('operator', true),
    body: saleInput('race', { items: [item] }),
  });
  t.equal(created.status, 201, created.text);

  const tokens = await Promise.all(
    Array.from({ length: REQUESTS }, (_, index) => client.token(`racer-${index}`)),
  );
  let next = 0;
  const codes = new Map<string, number>();
  const result = await autocannon({
    url: client.stack.info.gateway,
    connections: 64,
    amount: REQUESTS,
    timeout: 20,
    requests: [
      {
        method: 'POST',
        path: '/v1/sales/race/reservations',
        body: JSON.stringify({ lines: [{ sku: 'a', quantity: 1 }] }),
        setupRequest: (request) => ({
          ...request,
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${tokens[next++ % REQUESTS] ?? ''}`,
            'idempotency-key': randomUUID(),
          },
        }),
        onResponse: (status, body) => {
          const code = status === 201 ? 'reserved' : String((JSON.parse(body) as { code: unknown }).code);
          codes.set(code, (codes.get(code) ?? 0) + 1);
        },
      },
    ],
  });
  t.equal(result['2xx'] + result.non2xx, REQUESTS, 'every request was answered (autocannon hides lost ones)');
  t.equal(result.errors + result.timeouts, 0);
  t.same(Object.fromEntries(codes), { reserved: TOTAL, sold_out: REQUESTS - TOTAL });

  const [sale] = (await readSettled(engines, ['race'], 60_000)).sales;
  t.match(sale?.lane.items, [{ total: TOTAL, available: 0, held: TOTAL, paid: 0 }]);
  t.match(sale?.ledger, [{ total: TOTAL, sold: TOTAL }]);
  t.equal(unitsOf(sale?.orders ?? []), TOTAL);
  t.equal(new Set(sale?.orders.map(({ user_id }) => user_id)).size, TOTAL, 'one order per buyer');
  t.comment(`${REQUESTS} answers in ${result.duration} s`);
});
