// Goal: order takes units of expired holds again through stock, as often as it asks; a closed lane that opens
// again settles each of these holds by its own verdict, or brings it to Kafka once more.
// Method: stock's routes and lane opener on a real Redis; order's answers are the test's. Both services
// together: test/faults/late-money.test.ts.
import type { Reservation, ReservationCreated } from '@seckill/contracts';
import t from 'tap';
import { laneKeys, scriptKeys } from '../../src/redis/keys.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import { toMessage } from '../../src/relay/reservation-message.ts';
import { createSettle } from '../../src/settler/settlements.ts';
import { build, item, until, type Built } from '../support/build.ts';

async function sell(built: Built, changes = {}) {
  const { saleId } = built.addSale(changes);
  await built.hand(built.order.controls.get(saleId) as never);
  const hold = async (userId: string): Promise<Reservation> => {
    const request = item(saleId, { userId, idempotencyKey: userId, lines: [{ sku: 'a', quantity: 2 }] });
    const [answer] = await built.reserve(request);
    if (answer?.outcome !== 'reserved') throw new Error(String(answer?.outcome));
    return answer.reservation;
  };
  const retake = (...reservationIds: string[]) =>
    built.send('POST', '/internal/retakes', { as: 'order', body: { reservationIds } });
  const settle = createSettle(built.connections);
  const itemOf = async () =>
    ((await built.send('GET', `/internal/sales/${saleId}/state`)).body['items'] as unknown[])[0];
  return { saleId, lane: { saleId, lane: 0 }, hold, retake, settle, itemOf };
}

await t.test('order alone may ask, and is told of each retake what became of it', async (t) => {
  const built = await build(t);
  const { saleId, lane, hold, retake, settle, itemOf } = await sell(built);
  const { id } = await hold('u1');
  t.same((await retake(id)).body, [{ result: 'later', reason: 'unsettled' }]);
  await settle([{ reservationId: id, verdict: 'expired' }]);
  t.match(await itemOf(), { available: 3, held: 0 });
  const stranger = id.replace(/.{22}$/, 'x'.repeat(22));
  const unknown = `none.0.${'x'.repeat(38)}`;
  t.same((await retake(id, stranger, unknown, id)).body, [
    { result: 'taken', reason: 'retaken' },
    { result: 'refused', reason: 'not_expired' },
    { result: 'later', reason: 'sale_unavailable' },
    { result: 'taken', reason: 'repeated' },
  ]);
  t.match(await itemOf(), { available: 1, held: 2 });
  const request = item(saleId, { userId: 'u1', idempotencyKey: 'u1', lines: [{ sku: 'a', quantity: 2 }] });
  t.match(
    await built.reserve(request),
    [{ outcome: 'reserved', replayed: true, orderStatus: 'expired' }],
    'a repeat of the key does not send the buyer to pay again',
  );
  const { entries } = await createOutbox(built.connections).read(lane, 10);
  t.equal(entries.length, 2);
  const [first, second] = entries.map(
    (entry) => JSON.parse(toMessage(lane, entry).value) as ReservationCreated,
  );
  t.same(
    second,
    { ...first, sequence: 2, isRetake: true },
    'the message is the reservation, under its sequence',
  );
  t.equal(built.marks.isAhead(lane, { epoch: 1, sequence: 1 }), true, 'a Redis that loses it is loaded anew');
  for (const as of ['gateway', 'nobody'] as const) {
    const body = { reservationIds: [id] };
    t.equal(
      (await built.send('POST', '/internal/retakes', { as, body })).status,
      as === 'nobody' ? 401 : 403,
    );
  }
  for (const body of [
    {},
    { reservationIds: [] },
    { reservationIds: ['x'] },
    { reservationIds: [id], more: 1 },
  ]) {
    t.match(await built.send('POST', '/internal/retakes', { as: 'order', body }), { status: 400 });
  }
});

await t.test(
  'units that others hold are refused; a broken lane and a closed gate are asked again',
  async (t) => {
    const built = await build(t);
    const { lane, hold, retake, settle } = await sell(built);
    const { id } = await hold('u1');
    await settle([{ reservationId: id, verdict: 'expired' }]);
    await hold('u2');
    t.same((await retake(id)).body, [{ result: 'refused', reason: 'sold_out' }]);
    await built.connection.redis.hset(laneKeys(lane).state, 'a:available', 'nan');
    t.same((await retake(id)).body, [{ result: 'later', reason: 'error' }]);
    await built.connection.redis.close(scriptKeys('close', lane), built.connection.runId ?? '', '1');
    t.same((await retake(id)).body, [{ result: 'later', reason: 'sale_unavailable' }]);
  },
);

for (const verdict of ['paid', 'expired', 'unknown'] as const) {
  await t.test(`a check settles a retake as order judged it: ${verdict}`, async (t) => {
    const built = await build(t);
    const { saleId, lane, hold, retake, settle, itemOf } = await sell(built);
    const { id } = await hold('u1');
    await settle([{ reservationId: id, verdict: 'expired' }]);
    await retake(id);
    await built.relay(saleId);
    // The order has expired. The check must not take that verdict for the verdict on the retake.
    built.order.ended.set(id, 'expired');
    if (verdict !== 'unknown') built.order.endedRetakes.set(`${id} 1-2`, verdict);
    await built.connection.redis.close(scriptKeys('close', lane), built.connection.runId ?? '', '1');
    const control = built.order.controls.get(saleId);
    if (control === undefined) throw new Error('never happens: the sale was added');
    await built.hand({ ...control, version: 2 });
    await until('the lane is open', async () => {
      const { body } = await built.send('GET', `/internal/sales/${saleId}/state`);
      return body['gate'] === 'open';
    });
    t.match(
      await itemOf(),
      {
        paid: { available: 1, paid: 2 },
        expired: { available: 3, held: 0 },
        unknown: { available: 1, held: 2 },
      }[verdict],
    );
    const again = built.published.map(({ value }) => JSON.parse(value) as ReservationCreated);
    const lost = { reservationId: id, sequence: 2, isRetake: true };
    t.match(again, verdict === 'unknown' ? [lost] : []);
    t.equal(again.length, verdict === 'unknown' ? 1 : 0);
  });
}
