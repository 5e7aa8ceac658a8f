// Goal: late money takes units that are there, and never more; through kills, a lost Redis and settlements
// that come twice, money is in an order or due for refund, and both sides agree (INV-1, INV-3, INV-5, D7).
// Method: the whole system over HTTP; holds of a second expire, others buy some of the units, and then the
// first buyers' signed notices come, each twice at once, while something is killed, emptied or repeated.
import pg from 'pg';
import t, { type Test } from 'tap';
import { connectRedis, flushAll } from '../support/redis.ts';
import { pay } from '../support/notices.ts';
import { buildStack, createSale, itemOf, oneItem, until, untilRows, type Answer } from '../support/stack.ts';

const TOTAL = 20;
const BOUGHT = 8;

t.setTimeout(300_000);
const client = await buildStack(t, 'late-money');
const { stack } = client;
const admin = await client.token('operator', true);
const redis = connectRedis(t, stack.info.redis);
const postgres = new pg.Pool({ connectionString: stack.info.postgres, max: 2 });
t.teardown(() => postgres.end());

const call = async (userId: string, path: string, options: object = {}): Promise<Answer> =>
  client.send({ path, token: await client.token(userId), ...options });

async function reserve(saleId: string, userId: string, quantity = 1): Promise<string> {
  const body = { lines: [{ sku: 'a', quantity }] };
  const path = `/v1/sales/${saleId}/reservations`;
  let answer: Answer | undefined;
  await until(`${userId} has reserved`, async () => {
    answer = await call(userId, path, { method: 'POST', key: userId, body });
    return answer.status === 201;
  });
  return String(answer?.body['id']);
}

/** @returns what became of the money */
const notify = (orderId: string, paymentId = `pay-${orderId}`, amount = 100): Promise<string> =>
  pay(client, { orderId, paymentId, amount });

async function untilAvailable(saleId: string, units: number): Promise<void> {
  await until(`${units} are available`, async () => (await itemOf(client, saleId))['available'] === units);
}

/** Waits until the first buyers' holds have expired. @returns their orders by user. */
async function expire(saleId: string, users: string[], quantity = 1): Promise<Map<string, string>> {
  const orders = new Map<string, string>();
  await Promise.all(users.map(async (user) => orders.set(user, await reserve(saleId, user, quantity))));
  await untilRows(client, saleId, users.length);
  await untilAvailable(saleId, TOTAL);
  return orders;
}

/** Tells what has become of the money of an order: paid, refund, or nothing yet. */
async function fateOf(userId: string, orderId: string): Promise<string> {
  const { body } = await call(userId, `/v1/orders/${orderId}`);
  if (body['refundDue'] !== undefined) return 'refund';
  return body['status'] === 'paid' ? 'paid' : `${String(body['status'])} so far`;
}

async function untilDecided(orders: Map<string, string>): Promise<string[]> {
  let fates: string[] = [];
  await until(
    'all money is decided',
    async () => {
      fates = await Promise.all([...orders].map(([user, id]) => fateOf(user, id)));
      return fates.every((fate) => fate === 'paid' || fate === 'refund');
    },
    60_000,
  );
  return fates;
}

/**
 * @param lostCount retakes that only the outbox knew when Redis lost it. One whose successor went to another
 * partition, and reached Kafka, leaves a gap in the sequences, which is all that the audit may find. Nobody
 * was told of it: its money is asked for again.
 */
async function assertHolds(t: Test, saleId: string, lostCount = 0): Promise<void> {
  let audit: Record<string, unknown> = {};
  await until(
    'the audit has seen both sides at rest',
    async () => {
      audit = (await client.send({ path: `/v1/sales/${saleId}/audit`, token: admin })).body;
      return audit['verdict'] === 'holds' || audit['verdict'] === 'broken';
    },
    30_000,
  );
  const findings = audit['findings'] as string[];
  const gap = /^INV-2: (\d+) reservations of lane 0 were never stored$/.exec(findings[0] ?? '');
  if (gap !== null && Number(gap[1]) <= lostCount) {
    t.comment(`${String(gap[1])} of ${lostCount} retakes that Redis lost left a gap`);
    t.equal(findings.length, 1, findings.join('; '));
  } else t.equal(audit['verdict'], 'holds', JSON.stringify(findings));
}

await t.test('the setting is for operators, and without it late money is due for refund', async (t) => {
  await createSale(client, 'shown', { lateMoney: 'retake', items: [oneItem(TOTAL)] });
  const path = '/v1/sales/shown';
  t.match(await client.send({ path, token: admin }), { body: { lateMoney: 'retake' } });
  t.notOk('lateMoney' in (await client.send({ path })).body);
  await createSale(client, 'plain', { holdSeconds: 1, items: [oneItem(TOTAL)] });
  t.match(await client.send({ path: '/v1/sales/plain', token: admin }), { body: { lateMoney: 'refund' } });
  const orders = await expire('plain', ['u1']);
  t.equal(await notify(orders.get('u1') ?? ''), 'refund_due');
  const body = {
    id: 'no',
    title: 'x',
    closesAt: '2099-01-01T00:00:00.000Z',
    items: [oneItem(1)],
    lateMoney: 'keep',
  };
  const refused = await client.send({ method: 'POST', path: '/v1/sales', token: admin, body });
  t.match(refused, { status: 400, body: { field: 'lateMoney' } });
});

await t.test('late money takes the units again; limit, cancel and a second payment are due', async (t) => {
  await createSale(client, 'again', {
    holdSeconds: 1,
    lateMoney: 'retake',
    limitPerBuyer: 2,
    items: [oneItem(TOTAL)],
  });
  const orders = await expire('again', ['u1', 'u2', 'u3'], 2);
  const [one = '', two = '', three = ''] = ['u1', 'u2', 'u3'].map((user) => orders.get(user) ?? '');
  t.equal(await notify(one, 'first', 200), 'recorded');
  await until('the order is paid', async () => (await fateOf('u1', one)) === 'paid');
  const order = (await call('u1', `/v1/orders/${one}`)).body;
  t.match(order, { status: 'paid', pickupCode: /^\d{6}$/, paidAt: /Z$/ });
  t.notOk('endedAt' in order);
  t.equal(await notify(one, 'first', 200), 'already_paid');
  t.equal(await notify(one, 'second', 200), 'refund_due');
  await untilAvailable('again', TOTAL - 2);
  t.match(await itemOf(client, 'again'), { held: 0, paid: 2 });
  // The second buyer has reserved and paid anew meanwhile, under a key of its own.
  const answer = await call('u2', '/v1/sales/again/reservations', {
    method: 'POST',
    key: 'anew',
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
  t.equal(answer.status, 201);
  t.equal((await call('u2', `/v1/orders/${String(answer.body['id'])}/pay`, { method: 'POST' })).status, 200);
  await notify(two, undefined, 200);
  await until('the limit is in the way', async () => (await fateOf('u2', two)) === 'refund');
  t.equal((await call('u3', `/v1/orders/${three}/cancel`, { method: 'POST' })).status, 409);
  const cancelled = await reserve('again', 'u4');
  await until(
    'it is cancelled',
    async () => (await call('u4', `/v1/orders/${cancelled}/cancel`, { method: 'POST' })).status === 200,
  );
  t.equal(await notify(cancelled), 'refund_due', 'who cancelled did not want it');
  await assertHolds(t, 'again');
});

/** Publishes every settlement that was ever published once more. */
async function repeatSettlements(): Promise<void> {
  await postgres.query('UPDATE outbox SET published_at = NULL');
}

/** Each does harm. Only the last loses retakes for good, and gives their orders as a set. */
const faults: Record<string, (saleId: string) => Promise<unknown>> = {
  nothing: async () => undefined,
  'repeated-settlements': repeatSettlements,
  'order-killed': async () => {
    await stack.kill('order');
    await stack.restart('order');
  },
  'stock-killed': async () => {
    await stack.kill('stock');
    await stack.restart('stock');
  },
  'redis-emptied': (saleId) => flushAll(redis, saleId).then(() => undefined),
  'kafka-away': () => withoutKafka(async () => undefined),
  // A lane that closes while Kafka is away stays closed, because nobody can tell what was on its way.
  'lane-closed': (saleId) => withoutKafka(() => flushAll(redis, saleId)),
};

/** Longer than the notices come. */
const AWAY_MS = 3_000;

async function withoutKafka<Result>(fault: () => Promise<Result>): Promise<Result> {
  await stack.engines.kill('kafka');
  const result = await fault();
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
  await stack.engines.restart('kafka');
  return result;
}

for (const [name, fault] of Object.entries(faults)) {
  await t.test(`both sides agree: ${name}`, async (t) => {
    const saleId = `late-${name}`;
    await createSale(client, saleId, { holdSeconds: 1, lateMoney: 'retake', items: [oneItem(TOTAL)] });
    const users = Array.from({ length: TOTAL }, (_, index) => `u${index}`);
    const orders = await expire(saleId, users);
    for (let buyer = 0; buyer < BOUGHT; buyer += 1) {
      const id = await reserve(saleId, `other-${buyer}`);
      const pay = () => call(`other-${buyer}`, `/v1/orders/${id}/pay`, { method: 'POST' });
      await until('it is paid', async () => (await pay()).status === 200);
    }
    await untilAvailable(saleId, TOTAL - BOUGHT);
    const ids = [...orders.values()];
    const notices = [...ids, ...ids].map((id, index) =>
      new Promise((resolve) => setTimeout(resolve, index * 10)).then(() => notify(id)),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const lost = await fault(saleId);
    for (const result of await Promise.all(notices)) {
      t.ok(['recorded', 'already_paid', 'refund_due'].includes(result), result);
    }
    const fates = await untilDecided(orders);
    await repeatSettlements();
    const paid = fates.filter((fate) => fate === 'paid').length;
    t.comment(`${paid} of ${TOTAL} paid late`);
    if (name === 'nothing' || name === 'repeated-settlements')
      t.equal(paid, TOTAL - BOUGHT, 'all units are sold');
    t.ok(paid > 0 && paid <= TOTAL - BOUGHT, 'INV-1');
    await assertHolds(t, saleId, lost instanceof Set ? lost.size : 0);
    t.match(await itemOf(client, saleId), { paid: BOUGHT + paid, held: 0, available: TOTAL - BOUGHT - paid });
    const { rows } = await postgres.query(
      `SELECT count(*)::int AS waiting FROM payments WHERE result = 'retaking'`,
    );
    t.same(rows, [{ waiting: 0 }]);
  });
}
