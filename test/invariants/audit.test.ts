// Goal: the audit tells the truth of a whole system: "in flight" while a crowd buys, "holds" once all is
// quiet, "broken" when someone changes Redis or Postgres behind the services' back, and nothing at all
// without every engine.
// Method: one stack; reservations over HTTP, the audit as an operator asks for it, the role by its metrics.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Audit, InvariantName } from '@seckill/contracts';
import { ROOT, run } from '@seckill/stack';
import { Redis } from 'ioredis';
import pg from 'pg';
import t from 'tap';
import { buildStack, saleInput, until } from '../support/stack.ts';

const client = await buildStack(t, 'audit', { AUDIT_INTERVAL_MS: '200' });
const { stack } = client;
const admin = await client.token('operator', true);
const redis = new Redis(stack.info.redis);
redis.on('error', () => undefined);
const postgres = new pg.Client({ connectionString: stack.info.postgres });
await postgres.connect();
t.teardown(async () => {
  redis.disconnect();
  await postgres.end();
});
const SALE = 'audited';
const items = [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 100_000 }];
await createSale(SALE, { items });

async function createSale(id: string, changes: Record<string, unknown> = {}): Promise<void> {
  const body = saleInput(id, changes);
  const answer = await client.send({ method: 'POST', path: '/v1/sales', token: admin, body });
  if (answer.status !== 201) throw new Error(`sale ${id}: ${answer.status} ${answer.text}`);
}

async function audit(saleId = SALE): Promise<Audit> {
  const answer = await client.send({ path: `/v1/sales/${saleId}/audit`, token: admin });
  if (answer.status !== 200) throw new Error(`audit: ${answer.status} ${answer.text}`);
  return answer.body as unknown as Audit;
}

/** Asks until an audit is as wanted. @throws Error with the last audit that was not. */
async function auditUntil(is: (audit: Audit) => boolean, saleId = SALE): Promise<Audit> {
  let last = await audit(saleId);
  await until(
    'the audit is as wanted',
    async () => is(last) || is((last = await audit(saleId))),
    30_000,
  ).catch((cause: unknown) => {
    throw new Error(JSON.stringify(last), { cause });
  });
  return last;
}

const holds = ({ verdict }: Audit): boolean => verdict === 'holds';

/** A metric of the role `audit`, which no call of this test moves. */
async function brokenSales(invariant: InvariantName): Promise<string | undefined> {
  const text = await (await fetch(stack.info.metrics.stock)).text();
  return new RegExp(`^seckill_stock_audit_broken_sales{invariant="${invariant}"} (\\S+)$`, 'm').exec(
    text,
  )?.[1];
}

async function reserve(saleId: string, userId: string, quantity = 1): Promise<{ id: string; token: string }> {
  const token = await client.token(userId);
  const body = { lines: [{ sku: 'a', quantity }] };
  const path = `/v1/sales/${saleId}/reservations`;
  const key = randomUUID();
  let id = '';
  // On a busy machine an answer may be late. Then the same key tells.
  await until(`${userId} has reserved`, async () => {
    const answer = await client.send({ method: 'POST', path, token, key, body });
    if (answer.status !== 201 && answer.status !== 503) throw new Error(`${answer.status} ${answer.text}`);
    id = String(answer.body['id']);
    return answer.status === 201;
  });
  return { id, token };
}

async function end({ id, token }: { id: string; token: string }, verb: 'pay' | 'cancel'): Promise<void> {
  await until(`${verb} of ${id}`, async () => {
    const answer = await client.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, token });
    return answer.status === 200;
  });
}

await t.test('only operators may ask, and only for a sale that there is', async (t) => {
  const path = `/v1/sales/${SALE}/audit`;
  t.match(await client.send({ path }), { status: 401, body: { code: 'unauthenticated' } });
  t.match(await client.send({ path, token: await client.token('u1') }), { status: 403 });
  t.match(await client.send({ path: '/v1/sales/nothing/audit', token: admin }), {
    status: 404,
    body: { code: 'sale_not_found' },
  });
  t.match(await client.send({ path: '/v1/sales/NOTHING/audit', token: admin }), { status: 400 });
});

await t.test('a sale under way is in flight and never broken; once it is quiet, all six hold', async (t) => {
  const selling = new AbortController();
  let sold = 0;
  const crowd = Array.from({ length: 4 }, async (_, buyer) => {
    for (let round = 0; !selling.signal.aborted; round += 1) {
      const order = await reserve(SALE, `u${buyer}-${round}`);
      sold += 1;
      if (round % 10 === 0) await end(order, round % 20 === 0 ? 'pay' : 'cancel');
    }
  });
  const seen: Audit[] = [];
  // Each buyer pays the first order and waits for its row, so the first audits may find nobody who holds
  // units. The selling goes on for three rounds.
  await until('three audits in flight, and units that are held', async () => {
    seen.push(await audit());
    return seen.filter(({ verdict }) => verdict === 'in_flight').length >= 3 && sold >= 3 * crowd.length;
  });
  selling.abort();
  await Promise.all(crowd);
  for (const { verdict, findings, invariants } of seen) {
    t.not(verdict, 'broken', findings.join('; '));
    t.match(invariants, { 'INV-1': 'holds', 'INV-4': 'holds', 'INV-6': 'holds' });
  }
  const quiet = await auditUntil(holds);
  t.same(
    Object.values(quiet.invariants),
    Array.from({ length: 6 }, () => 'holds'),
  );
  t.strictSame(quiet.inFlight, { outbox: 0, kafkaLag: 0, orderOutbox: 0, deadLetters: 0 });
  const [inRedis, stored] = [quiet.redis[0], quiet.postgres[0]];
  t.match(inRedis, { sku: 'a', total: 100_000, held: stored?.pending, paid: stored?.paid });
  const { rows } = await postgres.query<{ count: string }>('SELECT count(*) FROM orders WHERE sale_id = $1', [
    SALE,
  ]);
  t.equal(Number(rows[0]?.count), sold);
  t.ok((stored?.paid ?? 0) >= 4 && (stored?.pending ?? 0) > 0, 'some paid, some held');
});

await t.test('holds that run out are for sale again, and the audit holds', async (t) => {
  await createSale('brief', { holdSeconds: 1 });
  await Promise.all([1, 2, 3].map((buyer) => reserve('brief', `u${buyer}`)));
  const over = await auditUntil((one) => holds(one) && one.redis[0]?.held === 0, 'brief');
  t.match(over.redis[0], { available: 10, paid: 0 });
  t.match(over.postgres[0], { pending: 0, paid: 0 });
});

await t.test(
  'a unit added to Redis by hand is found by both the call and the role, and nobody takes it away',
  async (t) => {
    const key = `seckill:{${SALE}:0}:state`;
    await redis.hincrby(key, 'a:available', 1);
    const broken = await auditUntil(({ verdict }) => verdict === 'broken');
    t.match(broken.invariants, { 'INV-1': 'holds', 'INV-2': 'holds', 'INV-3': 'broken' });
    t.match(broken.findings.join('; '), /INV-3: a: lane 0 counts 100001 units, of 100000/);
    await until('the role tells', async () => (await brokenSales('INV-3')) === '1');
    t.equal(await brokenSales('INV-1'), '0');
    await redis.hincrby(key, 'a:available', -1);
    await auditUntil(holds);
    await until('the role has seen it hold', async () => (await brokenSales('INV-3')) === '0');

    await redis.hincrby(key, 'a:held', 100_000);
    const oversold = await auditUntil(({ verdict }) => verdict === 'broken');
    t.equal(oversold.invariants['INV-1'], 'broken');
    await redis.hincrby(key, 'a:held', -100_000);
    await auditUntil(holds);
  },
);

await t.test('npm run rebuild mends what the audit has found, and keeps what was promised', async (t) => {
  const kept = await reserve(SALE, 'promised', 3);
  await redis.hincrby(`seckill:{${SALE}:0}:state`, 'a:available', 7);
  await auditUntil(({ verdict }) => verdict === 'broken');
  const before = await audit();
  const rebuild = (...args: string[]) =>
    run(process.execPath, [join(ROOT, 'services/stock/dist/recovery/rebuild-command.js'), ...args], {
      timeoutMs: 60_000,
      env: process.env,
    });
  const { ok, stdout, stderr } = await rebuild(SALE, '--stack', `audit-${process.pid}`);
  t.ok(ok, stderr);
  t.match(stdout, /audited, lane 0: load\n[^]*audited, lane 0: open, epoch \d+\n$/);
  const after = await auditUntil(holds);
  t.equal(after.epoch, before.epoch + 1);
  t.match(await client.send({ path: `/v1/orders/${kept.id}`, token: kept.token }), {
    body: { status: 'pending' },
  });
  t.match(await rebuild('nothing', '--stack', `audit-${process.pid}`), {
    ok: false,
    stderr: /order knows no sale nothing/,
  });
});

await t.test('an order that is deleted from Postgres is missed', async (t) => {
  const { id } = await reserve(SALE, 'deleted');
  await until('it is stored', async () => {
    const { rowCount } = await postgres.query('SELECT FROM orders WHERE id = $1', [id]);
    return rowCount === 1;
  });
  await reserve(SALE, 'the-next');
  await auditUntil(holds);
  await postgres.query(`CREATE TEMP TABLE kept AS SELECT * FROM orders WHERE id = '${id}'`);
  await postgres.query('DELETE FROM orders WHERE id = $1', [id]);
  const broken = await auditUntil(({ verdict }) => verdict === 'broken');
  t.match(broken.invariants, { 'INV-1': 'broken', 'INV-2': 'broken', 'INV-3': 'broken', 'INV-4': 'holds' });
  t.match(broken.findings.join('; '), /INV-2: 1 reservations of lane 0 were never stored/);
  await postgres.query('INSERT INTO orders SELECT * FROM kept');
  await auditUntil(holds);
});

await t.test('a closed gate is in flight; without Redis, order or Kafka there is no audit', async (t) => {
  const refused = async (code: string) => {
    await until(`503 ${code}`, async () => {
      const answer = await client.send({ path: `/v1/sales/${SALE}/audit`, token: admin });
      if (answer.status === 503) t.match(answer, { body: { code, retryable: true } });
      return answer.status === 503;
    });
  };
  let closed = await audit();
  await until('the gate is seen closed, before the lane monitor opens it again', async () => {
    await redis.hset(`seckill:{${SALE}:0}:state`, 'gate', 'rebuilding');
    closed = await audit();
    return closed.verdict === 'in_flight';
  });
  t.match(closed.findings.join('; '), /in flight: /);
  await auditUntil(holds);

  await stack.engines.kill('redis');
  await refused('sale_unavailable');
  await stack.engines.restart('redis');
  await until(
    'it is back, checked and open',
    async () => {
      const answer = await client.send({ path: `/v1/sales/${SALE}/audit`, token: admin });
      return answer.status === 200 && answer.body['verdict'] === 'holds';
    },
    30_000,
  );

  await stack.kill('order');
  await refused('overloaded');
  await stack.restart('order');
  await until(
    'it is back',
    async () => {
      const answer = await client.send({ path: `/v1/sales/${SALE}/audit`, token: admin });
      return answer.status === 200 && answer.body['verdict'] === 'holds';
    },
    30_000,
  );

  await stack.engines.kill('kafka');
  await refused('sale_unavailable');
});
