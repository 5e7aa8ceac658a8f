// Goal: a sale opens once it is loaded and order agrees, whatever was interrupted or done twice before.
// Method: control states over HTTP against lanes in every intermediate state, two stock processes on one
// Redis.
import t from 'tap';
import { laneKeys } from '../../src/redis/keys.ts';
import { build, item } from '../support/build.ts';
import { makeReservationId } from '../support/snapshot.ts';

const unavailable = { status: 503, body: { code: 'sale_unavailable' } };

await t.test('the first control state loads and opens; a repeat only acknowledges', async (t) => {
  const { addSale, send, order, connection } = await build(t);
  const sale = addSale();
  const path = `/internal/sales/${sale.saleId}`;
  const acknowledged = { saleId: sale.saleId, version: 1, epoch: 1 };
  t.same(await send('PUT', path, { as: 'order', body: sale }), { status: 200, body: acknowledged });
  t.same(await send('PUT', path, { as: 'order', body: sale }), { status: 200, body: acknowledged });
  t.same(order.calls, ['snapshots', 'openings 1']);
  t.equal(await connection.redis.sismember('seckill:lanes', `${sale.saleId}:0`), 1);
});

await t.test('concurrent control states load once, and the highest version stands', async (t) => {
  const { addSale, send, order } = await build(t);
  const sale = addSale();
  const versions = [3, 1, 2, 5, 4];
  const answers = await Promise.all(
    versions.map((version) =>
      send('PUT', `/internal/sales/${sale.saleId}`, {
        as: 'order',
        body: { ...sale, version, state: version === 5 ? 'paused' : 'open' },
      }),
    ),
  );
  for (const [index, answer] of answers.entries()) {
    t.equal(answer.status, 200);
    t.ok(Number(answer.body['version']) >= (versions[index] ?? 0));
  }
  t.equal(order.calls.filter((call) => call === 'snapshots').length, 1);
  const state = await send('GET', `/internal/sales/${sale.saleId}/state`);
  t.match(state.body, { version: 5, state: 'paused' });
});

await t.test(
  'while order cannot be asked or refuses, the sale stays closed and nothing is acknowledged',
  async (t) => {
    const { addSale, send, order, reserve, connection } = await build(t);
    const sale = addSale();
    const put = () => send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale });
    const keys = Object.values(laneKeys({ saleId: sale.saleId, lane: 0 }));
    for (const status of [500, 409, 404]) {
      order.snapshotStatus = status;
      t.match(await put(), unavailable, String(status));
      t.same(await reserve(item(sale.saleId)), [{ outcome: 'sale_unavailable', missing: true }]);
      t.equal(await connection.redis.exists(...keys), 0, 'nothing is left that nobody would remove');
      t.equal(await connection.redis.sismember('seckill:lanes', `${sale.saleId}:0`), 0);
    }
    order.snapshotStatus = undefined;
    order.grants = () => false;
    t.match(await put(), unavailable, 'not granted');
    t.same(await reserve(item(sale.saleId)), [{ outcome: 'sale_unavailable', missing: false }]);
    order.grants = (epoch) => epoch === order.epoch;
    t.equal((await put()).status, 200);
    t.match(await reserve(item(sale.saleId)), [{ outcome: 'reserved' }]);
  },
);

await t.test('a lane loaded but not opened (crash in between) is opened without another load', async (t) => {
  let isDying = true;
  const { addSale, send, order, opener } = await build(t, {
    onStep: (step) => {
      if (step === 'verdicts' && isDying) throw new Error('the process died');
    },
  });
  const sale = addSale();
  await t.rejects(opener.open({ saleId: sale.saleId, lane: 0 }));
  isDying = false;
  order.calls = [];
  t.equal((await send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale })).status, 200);
  t.same(order.calls, [`openings ${order.epoch}`]);
});

await t.test('a loaded epoch that was overtaken is loaded anew', async (t) => {
  const { addSale, send, order, opener } = await build(t);
  const sale = addSale();
  order.grants = () => false;
  await t.rejects(opener.open({ saleId: sale.saleId, lane: 0 }), { code: 'SECKILL_LANE_NOT_READY' });
  order.epoch = 9;
  order.grants = (epoch) => epoch === order.epoch;
  const answer = await send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale });
  t.match(answer, { status: 200, body: { epoch: 10 } });
});

await t.test('a snapshot with orders of several chunks loads them all', async (t) => {
  const { addSale, send, order, connection } = await build(t);
  const sale = addSale();
  order.orders = Array.from({ length: 1_201 }, (_, index) => ({
    reservationId: makeReservationId({ saleId: sale.saleId, lane: 0 }, `u${index}`, 'k'),
    epoch: 1,
    sequence: index + 1,
    userId: `u${index}`,
    idempotencyKey: 'k',
    lines: [{ sku: 'b', quantity: 2, price: 10 }],
    reservedAt: 1,
    expiresAt: 2,
    status: index % 2 === 0 ? 'pending' : 'paid',
  }));
  t.equal((await send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale })).status, 200);
  const { body } = await send('GET', `/internal/sales/${sale.saleId}/state`);
  t.same((body['items'] as unknown[])[1], {
    sku: 'b',
    total: 100_000,
    available: 97_598,
    held: 1_202,
    paid: 1_200,
  });
  const { holds, keys } = laneKeys({ saleId: sale.saleId, lane: 0 });
  t.equal(await connection.redis.hlen(holds), 601);
  t.equal(await connection.redis.hlen(keys), 600);
});

await t.test('two stock processes that load at once are harmless: the later epoch wins', async (t) => {
  const one = await build(t);
  const two = await build(t, { order: one.order });
  for (let round = 0; round < 10; round += 1) {
    const sale = one.addSale();
    const put = (built: typeof one) =>
      built.send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: sale });
    await Promise.all([put(one), put(two)]);
    // The process that lost hears 503, and order repeats its call.
    for (const built of [one, two]) t.equal((await put(built)).status, 200);
    const { body } = await one.send('GET', `/internal/sales/${sale.saleId}/state`);
    t.match(body, { gate: 'open', items: [{ sku: 'a', total: 3, available: 3 }, {}] });
  }
});

await t.test('a control state that the lane refuses is not acknowledged', async (t) => {
  const { addSale, send, reserve } = await build(t);
  const sale = addSale();
  const put = (body: object) => send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body });
  await put(sale);
  await reserve(item(sale.saleId, { lines: [{ sku: 'a', quantity: 2 }] }));
  const items = sale.items.map((one) => ({ ...one, total: one.sku === 'a' ? 1 : one.total }));
  t.match(await put({ ...sale, version: 2, items }), unavailable);
  t.match((await send('GET', `/internal/sales/${sale.saleId}/state`)).body, {
    version: 1,
    items: [{ total: 3 }, {}],
  });
});
