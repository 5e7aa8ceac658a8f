// Goal: what was asked of a process that was frozen does nothing when it wakes: whoever heard "unknown" or
// nothing, repeated elsewhere and heard a definite "no", finds no hold afterwards, and a late pause does not
// undo a resume.
// Method: SIGSTOP of a stock, of a gateway and of Redis at the same time; another gateway and another stock
// sell on. Redis wakes first, because without it nobody could hear a "no"; what lies in the sockets of the
// other two has waited as long by then.
import { campaign } from '@seckill/testing';
import { Redis } from 'ioredis';
import { Pool } from 'undici';
import t, { type Test } from 'tap';
import { reserveOne } from '../support/reserve.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const SECONDS = campaign({ short: 1, full: 3 }) === 1 ? [3] : [3, 30, 120];
/**
 * How long the gateway waits for the frozen stock. This wait is shorter than any freeze that stock itself
 * notices.
 */
const SHORT_MS = 300;
/** A freeze that is shorter than what the freeze guard takes for one (1.5 s). */
const UNNOTICED_MS = 1_400;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

t.setTimeout(600_000);
const client = await buildStack(t, 'frozen');
const { stack } = client;
const frozenStock = await stack.startProcess({ service: 'stock', name: 'stock-2' });
const [beforeStock, frozenGateway] = await Promise.all([
  stack.startProcess({
    service: 'gateway',
    name: 'gateway-2',
    env: { STOCK_URL: frozenStock.url, STOCK_TIMEOUT_MS: String(SHORT_MS) },
  }),
  stack.startProcess({ service: 'gateway', name: 'gateway-3' }),
]);
const [byStock, byGateway] = [beforeStock, frozenGateway].map(({ url }) => {
  const pool = new Pool(url, { connections: 32 });
  t.teardown(() => pool.close());
  return pool;
}) as [Pool, Pool];
const redis = new Redis(stack.info.redis);
redis.on('error', () => undefined);
t.teardown(() => {
  redis.disconnect();
});
const admin = await client.token('operator', true);

/** The counts that Redis has. What a gateway says of a sale may be a second old. */
const held = async (saleId: string): Promise<number> =>
  Number(await redis.hget(`seckill:{${saleId}:0}:state`, 'a:held'));

async function steer(pool: Pool, saleId: string, verb: string): Promise<number> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: `/v1/sales/${saleId}/${verb}`,
    headers: { authorization: `Bearer ${admin}` },
  });
  await body.dump();
  return statusCode;
}

/** A gateway that was frozen for longer than a connection may be silent (30 s) cuts it when it wakes. */
const CUT = 0;
function cut(error: unknown): typeof CUT {
  const { code } = error as { code?: string };
  if (code !== 'ECONNRESET' && code !== 'UND_ERR_SOCKET') throw error;
  return CUT;
}

/** Reserves. @returns the body of the 201. */
async function buy(pool: Pool, saleId: string, userId: string, key: string): Promise<{ id: string }> {
  let text = '';
  await until(`${userId} has ${key}`, async () => {
    const told = await reserveOne(client, pool, saleId, userId, key);
    text = told.text;
    return told.status === 201;
  });
  return JSON.parse(text) as { id: string };
}

/** Makes a sale of which one unit is held. The gateway that will be asked knows the sale's clock. */
async function openSale(pool: Pool, saleId: string): Promise<string> {
  await createSale(client, saleId, { limitPerBuyer: 1, items: [oneItem(100)] });
  await buy(pool, saleId, 'warm', 'warm');
  return saleId;
}

/** The buyer gives up, buys under another key, hears a definite "no" to the first one, and gives back. */
async function hearNo(t: Test, saleId: string): Promise<void> {
  const { id } = await buy(client.http, saleId, 'u1', 'other');
  t.equal((await reserveOne(client, client.http, saleId, 'u1', 'first')).code, 'limit_reached');
  const token = await client.token('u1');
  await until('the order is cancelled', async () => {
    const { status } = await client.send({ method: 'POST', path: `/v1/orders/${id}/cancel`, token });
    return status === 200;
  });
  // The unit is free again, so a request that comes late could take it.
  await until('the unit is back', async () => (await held(saleId)) === 1);
}

async function isUntouched(t: Test, saleId: string, who: string): Promise<void> {
  t.equal(await held(saleId), 1, `${who}: nothing was taken late`);
  await until(
    'the sale can be read',
    async () => (await client.send({ path: `/v1/sales/${saleId}` })).status === 200,
  );
  const { body } = await client.send({ path: `/v1/sales/${saleId}` });
  t.equal(body['state'], 'open', `${who}: and nothing undone`);
}

const pids = {
  redis: stack.info.pids['redis'] ?? 0,
  stock: frozenStock.child.pid,
  gateway: frozenGateway.child.pid,
};
const signal = (name: keyof typeof pids, what: 'SIGSTOP' | 'SIGCONT') => process.kill(pids[name], what);

for (const seconds of SECONDS) {
  await t.test(`frozen for ${seconds} s: no hold comes after the "no"`, async (t) => {
    const sales = {
      stock: await openSale(byStock, `frozen-stock-${seconds}`),
      gateway: await openSale(byGateway, `frozen-gateway-${seconds}`),
      redis: await openSale(client.http, `frozen-redis-${seconds}`),
    };
    for (const name of ['stock', 'gateway', 'redis'] as const) signal(name, 'SIGSTOP');
    const first = async (pool: Pool, saleId: string) =>
      (await reserveOne(client, pool, saleId, 'u1', 'first')).status;
    const told = Promise.all([first(byStock, sales.stock), first(client.http, sales.redis)]);
    const toldLate = Promise.all([
      first(byGateway, sales.gateway).catch(cut),
      steer(byGateway, sales.gateway, 'pause').catch(cut),
    ]);
    try {
      await sleep(seconds * 1_000);
      signal('redis', 'SIGCONT');
      await hearNo(t, sales.stock);
      await hearNo(t, sales.gateway);
      t.equal(await steer(client.http, sales.gateway, 'resume'), 200);
    } finally {
      for (const name of ['redis', 'stock', 'gateway'] as const) signal(name, 'SIGCONT');
    }
    t.same(await told, [503, 503]);
    for (const status of await toldLate)
      t.ok(status === 503 || (status === CUT && seconds >= 30), `${status}`);
    await sleep(1_500);
    for (const [name, saleId] of Object.entries(sales)) await isUntouched(t, saleId, name);
  });
}

await t.test('stock frozen for a moment that it does not notice: the deadline alone guards', async (t) => {
  const ROUNDS = 5;
  const BUYERS = 16;
  let unnoticed = 0;
  const saleId = await openSale(byStock, 'frozen-moment');
  for (let round = 0; round < ROUNDS; round += 1) {
    // The gateway knows the clock again, and its connections to stock stand.
    await buy(byStock, saleId, `warm-${round}`, 'warm');
    const before = await held(saleId);
    const since = performance.now();
    signal('stock', 'SIGSTOP');
    try {
      const told = await Promise.all(
        Array.from({ length: BUYERS }, (_, index) =>
          reserveOne(client, byStock, saleId, `u${round}-${index}`, 'first'),
        ),
      );
      t.same([...new Set(told.map(({ status }) => status))], [503]);
      t.ok(
        told.some(({ code }) => code === 'outcome_unknown'),
        'requests lie in its sockets',
      );
    } finally {
      signal('stock', 'SIGCONT');
    }
    if (performance.now() - since < UNNOTICED_MS) unnoticed += 1;
    // A repeat comes after stock has read all, so it hears how many are held in the end.
    await buy(byStock, saleId, `after-${round}`, 'after');
    await sleep(500);
    t.equal(await held(saleId), before + 1, 'nothing was taken late');
  }
  t.ok(unnoticed > 0, `${unnoticed} of ${ROUNDS} freezes were short enough`);
});
