// Goal: when everything ends at once and is started again, the sale goes on within seconds of the last
// process being ready: it takes, orders are stored, units come back, and what was promised is kept.
// Method: the whole system under a rush of buyers; all engines and services get SIGKILL at once and are
// started again together. The kernel lives on, so what was written and not synced is not lost here.
import t from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, startRush, untilMore } from '../support/aftermath.ts';
import { buildStack, createSale, itemOf, oneItem, timeUntil } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
/**
 * Three rounds took 2.1 to 4.0 s at a load of 6, and 3.3 to 7.1 s at a load of 9, before connections to
 * PostgreSQL outlived their first caller. A group of Kafka whose dead members nobody removes takes 10 s more.
 */
const OPEN_MS = 10_000;
const ENGINES = ['redis', 'kafka', 'postgres'] as const;
const SERVICES = ['gateway', 'stock', 'order'] as const;
const ROUNDS = 3;

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const client = await buildStack(t, 'power-cut');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());

async function cutPower(): Promise<void> {
  await Promise.all([
    ...ENGINES.map((engine) => stack.engines.kill(engine)),
    ...SERVICES.map((service) => stack.kill(service)),
  ]);
  await Promise.all(ENGINES.map((engine) => stack.engines.restart(engine)));
  await Promise.all(SERVICES.map((service) => stack.restart(service)));
}

for (let round = 1; round <= ROUNDS; round += 1) {
  await t.test(`everything loses its power at once, round ${round}`, async (t) => {
    const calm = `calm-${round}`;
    await createSale(client, calm, { items: [oneItem(100)] });
    const owner = await client.token('owner');
    const reserving = { method: 'POST' as const, path: `/v1/sales/${calm}/reservations`, token: owner };
    const body = { lines: [{ sku: 'a', quantity: 1 }] };
    const held = await client.send({ ...reserving, key: 'before', body });
    t.equal(held.status, 201);
    const rush = await startRush({
      client,
      engines,
      saleId: `cut-${round}`,
      random: seededRandom(SEED + round),
    });
    await cutPower();
    const readyAt = performance.now();
    const tookMs = {
      taken: await timeUntil('the sale takes', readyAt, async () => {
        return (await client.send({ ...reserving, key: 'after', body })).status === 201;
      }),
      stored: await timeUntil('the order before is cancelled', readyAt, async () => {
        const path = `/v1/orders/${String(held.body['id'])}/cancel`;
        return (await client.send({ method: 'POST', path, token: owner })).status === 200;
      }),
      back: await timeUntil('its unit is back', readyAt, async () => {
        return (await itemOf(client, calm))['available'] === 99;
      }),
    };
    for (const [what, ms] of Object.entries(tookMs)) {
      t.ok(ms < OPEN_MS, `${what} ${ms.toFixed(0)} ms after the last process was ready`);
    }
    await untilMore(rush, 20);
    await judgeRush(t, { client, engines, rush });
  });
}
