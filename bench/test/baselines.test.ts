// Goal: the baselines are honest. Each sells every unit and never one more under a race, stores an order for
// each, and answers a repeated key alike. Method: each as a process of its own on the real engines, more
// buyers than units at once.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { freePorts, startChild } from '@seckill/stack';
import t, { type Test } from 'tap';
import { Pool } from 'undici';
import { BENCH_ROOT } from '../src/folders.ts';
import { createTokenSigner } from '../src/target/token-signer.ts';

const SECRET = randomBytes(32).toString('base64url');
const sign = createTokenSigner(SECRET);
const TOTAL = 60;
const BUYERS = 150;
/**
 * So many requests at once: more than the 16 connections of a baseline, so that its queue is tried too. With
 * 64 the last of the queue may wait for longer than the pool's second on a busy machine, and hear an error.
 */
const IN_FLIGHT = 24;

interface Answer {
  status: number;
  text: string;
  isReplay: boolean;
}

type Reserve = (userId: string, key: string, quantity?: number, extra?: object) => Promise<Answer>;

async function startBaseline(
  t: Test,
  name: string,
): Promise<{ saleId: string; http: Pool; reserve: Reserve }> {
  const [port] = (await freePorts(1)) as [number];
  const child = await startChild({
    name,
    command: process.execPath,
    args: [join(BENCH_ROOT, 'dist/baselines', `${name}.js`)],
    env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', JWT_SECRET: SECRET },
    output: 'inherit',
  });
  const http = new Pool(`http://127.0.0.1:${port}`, { connections: IN_FLIGHT, pipelining: 1 });
  t.teardown(async () => {
    await http.destroy();
    await child.stop();
  });
  for (let ready = false; !ready;) {
    t.ok(child.isRunning());
    ready = await http.request({ method: 'GET', path: '/readyz' }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      },
      () => new Promise<false>((resolve) => setTimeout(resolve, 50, false)),
    );
  }
  const saleId = `base-${randomBytes(5).toString('hex')}`;
  const created = await http.request({
    method: 'POST',
    path: '/v1/sales',
    headers: {
      authorization: `Bearer ${sign('operator', 'sale:admin')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      id: saleId,
      title: 'Baseline',
      closesAt: '2100-01-01T00:00:00Z',
      items: [{ sku: 'unit', title: 'Unit', price: { amount: 100, currency: 'CNY' }, total: TOTAL }],
    }),
  });
  t.equal(created.statusCode, 201, await created.body.text());
  const reserve: Reserve = async (userId, key, quantity = 1, extra = {}) => {
    const { statusCode, headers, body } = await http.request({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      headers: {
        authorization: `Bearer ${sign(userId)}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ lines: [{ sku: 'unit', quantity }], ...extra }),
    });
    return { status: statusCode, text: await body.text(), isReplay: 'idempotent-replayed' in headers };
  };
  return { saleId, http, reserve };
}

for (const name of ['postgres-row', 'postgres-skip-locked', 'redis-watch']) {
  await t.test(`${name} sells every unit, never one more, and repeats its answers`, async (t) => {
    const { saleId, http, reserve } = await startBaseline(t, name);
    // An engine may be too slow for the pool's second on a busy machine: a caller who hears that asks again.
    const ask = async (buyer: number, attempts = 20): Promise<Answer> => {
      const answer = await reserve(`u${buyer}`, `key-${buyer}`);
      if (answer.status < 500 || attempts === 0) return answer;
      return ask(buyer, attempts - 1);
    };
    // Every key is sent twice at once, so that units and keys race.
    const answers = await Promise.all(Array.from({ length: 2 * BUYERS }, (_, index) => ask(index >> 1)));
    const ids = new Set(
      answers.flatMap(({ status, text }) =>
        status === 201 ? [(JSON.parse(text) as { id: string }).id] : [],
      ),
    );
    t.equal(ids.size, TOTAL, 'reservations');
    const refused = answers.filter(({ status }) => status !== 201);
    const untold = refused.filter(({ text }) => !/"code":"(sold_out|overloaded)"/.test(text));
    t.same(untold.slice(0, 3), [], `${untold.length} others are not told`);
    const counts = await http.request({ method: 'GET', path: `/v1/sales/${saleId}` });
    t.same(await counts.body.json(), { total: TOTAL, available: 0, held: TOTAL, orders: TOTAL });

    const winner = answers.findIndex(({ status }) => status === 201);
    const repeated = await reserve(`u${winner >> 1}`, `key-${winner >> 1}`);
    t.same(
      [repeated.status, repeated.isReplay, repeated.text],
      [201, true, answers[winner]?.text],
      'the same bytes',
    );
    t.match(await reserve(`u${winner >> 1}`, `key-${winner >> 1}`, 2), { status: 422 });
    t.match(await reserve('', 'no user'), { status: 401 });
    t.match(await reserve('u1', 'key', 0), { status: 400 });
    t.match(await reserve('u1', 'key', 1, { unknown: 1 }), { status: 400 });
  });
}
