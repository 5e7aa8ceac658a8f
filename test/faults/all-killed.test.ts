// Goal: when every service is killed at once and all are started again, the sale goes on within 3 s of the
// last process being ready: it takes, new rows are stored, and units come back.
// Method: the whole system; gateway, stock and order get SIGKILL at once, the engines stay. The dead members
// of both consumer groups are all that Kafka knows when the new processes come.
import t from 'tap';
import { buildStack, createSale, itemOf, oneItem, timeUntil, untilRows } from '../support/stack.ts';

/** The bound on a takeover. The docs promise 3 s, and Kafka alone would take 10 s. */
const TAKEOVER_MS = 3_000;
const SERVICES = ['gateway', 'stock', 'order'] as const;
const ROUNDS = 3;

t.setTimeout(600_000);
const client = await buildStack(t, 'all-killed');
const { stack } = client;
const token = await client.token('owner');
const body = { lines: [{ sku: 'a', quantity: 1 }] };

for (let round = 1; round <= ROUNDS; round += 1) {
  await t.test(`every service is killed at once, round ${round}`, async (t) => {
    const saleId = `killed-${round}`;
    await createSale(client, saleId, { items: [oneItem(100)] });
    const reserve = (key: string) =>
      client.send({ method: 'POST', path: `/v1/sales/${saleId}/reservations`, token, key, body });
    const cancel = (id: unknown) =>
      client.send({ method: 'POST', path: `/v1/orders/${String(id)}/cancel`, token });
    const before = await reserve('before');
    t.equal(before.status, 201);
    await untilRows(client, saleId, 1);
    await Promise.all(SERVICES.map((service) => stack.kill(service)));
    await Promise.all(SERVICES.map((service) => stack.restart(service)));
    const readyAt = performance.now();
    const cancelled = timeUntil('the order before is cancelled', readyAt, async () => {
      return (await cancel(before.body['id'])).status === 200;
    });
    let id: unknown;
    const taken = timeUntil('the sale takes', readyAt, async () => {
      const answer = await reserve('after');
      id = answer.body['id'];
      return answer.status === 201;
    });
    const stored = taken.then(() =>
      timeUntil('the new order is a row', readyAt, async () => (await cancel(id)).status === 200),
    );
    const back = stored.then(() =>
      timeUntil(
        'all units are back',
        readyAt,
        async () => (await itemOf(client, saleId))['available'] === 100,
      ),
    );
    await cancelled;
    const tookMs = { taken: await taken, stored: await stored, back: await back };
    for (const [what, ms] of Object.entries(tookMs)) {
      t.ok(ms < TAKEOVER_MS, `${what} ${ms.toFixed(0)} ms after the last process was ready`);
    }
  });
}
