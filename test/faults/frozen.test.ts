// Goal: what was asked of a process that was frozen does nothing when it wakes: whoever heard "unknown" or
// nothing, repeated elsewhere and heard a definite "no", finds no hold afterwards, and a late pause does not
// undo a resume. Method: two gateways, each with a stock of its own; one process, or Redis, gets SIGSTOP.
import { campaign } from '@seckill/testing';
import { Pool } from 'undici';
import t from 'tap';
import { reserveOne } from '../support/reserve.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const SECONDS = campaign({ short: 1, full: 3 }) === 1 ? [3] : [3, 30, 120];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

t.setTimeout(900_000);
const client = await buildStack(t, 'frozen');
const { stack } = client;
const stock = await stack.startProcess({ service: 'stock', name: 'stock-2' });
const gateway = await stack.startProcess({
  service: 'gateway',
  name: 'gateway-2',
  env: { STOCK_URL: stock.url },
});
const second = new Pool(gateway.url, { connections: 16 });
t.teardown(() => second.close());
const admin = await client.token('operator', true);

const held = async (saleId: string): Promise<number> => {
  const response = await second.request({ method: 'GET', path: `/v1/sales/${saleId}` });
  const { items } = (await response.body.json()) as { items?: { held: number }[] };
  return items?.[0]?.held ?? -1;
};

async function steer(pool: Pool, saleId: string, verb: string): Promise<number> {
  const path = `/v1/sales/${saleId}/${verb}`;
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path,
    headers: { authorization: `Bearer ${admin}` },
  });
  await body.dump();
  return statusCode;
}

for (const seconds of SECONDS) {
  for (const name of ['stock', 'gateway', 'redis']) {
    await t.test(`${name} frozen for ${seconds} s: no hold comes after the "no"`, async (t) => {
      const saleId = `frozen-${name}-${seconds}`;
      await createSale(client, saleId, { limitPerBuyer: 1, items: [oneItem(10)] });
      t.equal((await reserveOne(client, client.http, saleId, 'warm', 'warm')).status, 201);
      const pid = stack.info.pids[name] ?? 0;
      process.kill(pid, 'SIGSTOP');
      const first = reserveOne(client, client.http, saleId, 'u1', 'first');
      const pause = name === 'gateway' ? steer(client.http, saleId, 'pause') : undefined;
      try {
        await sleep(seconds * 1_000);
        // The buyer gave up, and bought under another key: the first key hears a definite "no" from now on.
        if (name !== 'redis') {
          const other = await reserveOne(client, second, saleId, 'u1', 'other');
          t.equal(other.status, 201);
          t.equal((await reserveOne(client, second, saleId, 'u1', 'first')).code, 'limit_reached');
          // Then the buyer gave it back: what comes late could be had again.
          const { id } = JSON.parse(other.text) as { id: string };
          const { statusCode, body } = await second.request({
            method: 'POST',
            path: `/v1/orders/${id}/cancel`,
            headers: { authorization: `Bearer ${await client.token('u1')}` },
          });
          await body.dump();
          t.equal(statusCode, 200);
          await until('the unit is back', async () => (await held(saleId)) === 1);
        }
        if (name === 'gateway') t.equal(await steer(second, saleId, 'resume'), 200);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      const told = await first;
      t.match(told, { status: 503 }, told.text);
      if (pause !== undefined) t.equal(await pause, 503);
      await sleep(1_500);
      await until('the sale can be read', async () => (await held(saleId)) >= 0);
      t.equal(await held(saleId), 1, 'nothing was taken late');
      const { body } = await client.send({ path: `/v1/sales/${saleId}` });
      t.equal(body['state'], 'open', 'and nothing undone');
    });
  }
}
