// Goal: a used sale never gets an empty snapshot, and only the newest epoch opens (INV-1).
// Method: stock's calls to a real `http` role over a real Postgres; support/stock.ts stands in for stock.
import type { Snapshot } from '@seckill/contracts';
import { test } from 'tap';
import { createDatabase } from './support/database.ts';
import { makeSaleInput } from './support/reservations.ts';
import { createService } from './support/service.ts';
import { createStock } from './support/stock.ts';

await test('only a sale that never opened gets an empty snapshot (INV-1)', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  const id = makeSaleInput().id ?? '';
  await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
  await call('POST', `/v1/sales/${id}/pause`);
  const snapshots = await Promise.all([1, 2, 3].map(() => call('POST', `/internal/sales/${id}/snapshots`)));
  t.same(
    snapshots.map(({ body }) => body['epoch']).sort(),
    [1, 2, 3],
    'every loader has an epoch of its own',
  );
  const snapshot = snapshots[0]?.body as unknown as Snapshot;
  t.same(snapshot.orders, []);
  t.match(snapshot.control, { saleId: id, version: 2, state: 'paused' });

  const open = (epoch: number) => call('POST', `/internal/sales/${id}/openings`, { body: { epoch } });
  t.same(
    await open(2),
    { status: 200, body: { epoch: 2, granted: false } },
    'a loader that slept may not open',
  );
  t.same(await open(4), { status: 200, body: { epoch: 4, granted: false } });
  t.match(await open(0), { status: 400, body: { field: 'epoch' } });
  t.same(await open(3), { status: 200, body: { epoch: 3, granted: true } });
  t.same(await open(3), { status: 200, body: { epoch: 3, granted: true } }, 'a repeat is granted again');
  const again = await call('POST', `/internal/sales/${id}/snapshots`);
  t.match(
    again,
    { status: 503, body: { code: 'sale_unavailable' } },
    'used: it must be rebuilt from its orders',
  );
  t.match(await open(3), { body: { granted: true } }, 'and the refused snapshot raised nothing');
  for (const path of ['snapshots', 'openings']) {
    const answer = await call('POST', `/internal/sales/nowhere/${path}`, { body: { epoch: 1 } });
    t.match(answer, { status: 404, body: { code: 'sale_not_found' } });
  }
});

await test('a snapshot and an opening that race never leave an opened sale with a newer epoch', async (t) => {
  const { pool } = await createDatabase(t);
  const stock = await createStock(t);
  const { call } = await createService(t, pool, stock.url);
  for (let round = 0; round < 10; round += 1) {
    const id = makeSaleInput().id ?? '';
    await call('POST', '/v1/sales', { body: makeSaleInput({ id }) });
    const { body } = await call('POST', `/internal/sales/${id}/snapshots`);
    const [snapshot, opening] = await Promise.all([
      call('POST', `/internal/sales/${id}/snapshots`),
      call('POST', `/internal/sales/${id}/openings`, { body: { epoch: body['epoch'] } }),
    ]);
    t.equal(snapshot.status === 200, opening.body['granted'] === false, 'exactly one of the two wins');
  }
});
