// Goal: what a relay holds while Redis loses it costs no unit (INV-1, INV-3, INV-6), and is lost or refused
// only where nobody else knew it; then it is told (INV-2). Method: the relay is a process of its own under a
// rush of buyers; it is stopped, Redis is put back or emptied, and the relay wakes, or what it held is
// published after the rebuild.
import { createKafka, createLogger, createProducer, createPublisher } from '@seckill/runtime';
import { RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { toMessage } from '../../services/stock/src/relay/reservation-message.ts';
import { judgeRush, laneState, startRush, untilMore, untilOpen, untilStored } from '../support/aftermath.ts';
import { aofFolder, connectRedis, copyAof, flushAll, freezeWrites, readOutbox } from '../support/redis.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
// The lease is short, so that a relay that died or sleeps is replaced soon.
const client = await buildStack(t, 'relays', { RELAY_LEASE_MS: '1000' });
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const redis = connectRedis(t, stack.info.redis);
await stack.restart('stock', { ROLES: 'http,settler' });
const startRelay = (name: string) =>
  stack.startProcess({ service: 'stock', name, env: { ROLES: 'relay' } }).then(({ child }) => child);
const relay = await startRelay('relay-first');

await t.test('a relay that sleeps through a rebuild publishes old entries when it wakes', async (t) => {
  const rush = await startRush({ client, engines, saleId: 'sleeper', random });
  const lost = new Set<string>();
  for (let round = 0; round < 5; round += 1) {
    const before = await untilOpen(client, 'sleeper');
    // The relay stops anywhere: before it has read, with entries in its memory, or with a request on its way
    // to Kafka.
    await sleep(100 * random());
    relay.kill('SIGSTOP');
    await untilMore(rush, 5);
    for (const id of await flushAll(redis, 'sleeper')) lost.add(id);
    await until(
      'the lane is loaded',
      async () => ((await laneState(client, 'sleeper'))?.epoch ?? 0) > before.epoch,
    );
    await untilMore(rush, 10);
    relay.kill('SIGCONT');
    await untilMore(rush, 5);
  }
  t.comment(`${lost.size} reservations stood in the outbox`);
  // Entries that the relay still held came late, after their buyers had bought again. The order that was
  // stored second may be beyond a limit.
  await rush.stop();
  await untilStored(engines, 'sleeper');
  for (const id of await readBeyondLimits('sleeper')) lost.add(id);
  await judgeRush(t, { client, engines, rush, lost });
});

await t.test(
  'entries that come after the rebuild are stored within the limits, and the sale is loaded anew with them',
  async (t) => {
    const rush = await startRush({ client, engines, saleId: 'late', random, isIdle: true });
    relay.kill('SIGSTOP');
    // This buyer buys up to the limit twice, because Redis forgets the first time.
    await buyThree('eager', 'first');
    await untilMore(rush, 20);
    const before = await laneState(client, 'late');
    const entries = await readOutbox(redis, 'late');
    const lost = await flushAll(redis, 'late');
    const loaded = await untilOpen(client, 'late', before?.epoch);
    await buyThree('eager', 'second');
    await untilMore(rush, 10);
    // A relay that had read these entries before it slept would publish them so.
    const producer = createProducer(
      createKafka({ brokers: stack.info.kafka.split(',') }, 'late', createLogger('late', 'silent')),
    );
    await producer.connect();
    const messages = entries.map((entry) => toMessage({ saleId: 'late', lane: 0 }, entry));
    await createPublisher(producer).publish(TOPICS.reservations, RESERVATION_CREATED, messages);
    await producer.disconnect();
    relay.kill('SIGCONT');
    await untilOpen(client, 'late', loaded.epoch);
    await rush.stop();
    await untilStored(engines, 'late');
    // None of them is lost. Each keeps its answer, because nobody has repeated its key in between.
    for (const { key } of messages) lost.delete(key);
    for (const id of await judgeRefused(t)) lost.add(id);
    await judgeRush(t, { client, engines, rush, lost });
  },
);

/** Sends the same key until it hears 201. */
async function buyThree(userId: string, key: string): Promise<void> {
  const token = await client.token(userId);
  const body = { lines: [{ sku: 'b', quantity: 3 }] };
  await until(`${userId} has three`, async () => {
    const path = '/v1/sales/late/reservations';
    return (await client.send({ method: 'POST', path, token, key, body })).status === 201;
  });
}

/**
 * Checks limits and caps. Nobody pays or cancels in this sale, so a limit that was exceeded once is exceeded
 * at the end too.
 */
async function judgeRefused(t: Test): Promise<string[]> {
  const orders = await engines.orders('late');
  const { limitPerBuyer, channels } = await engines.definition('late');
  const sum = (rows: typeof orders) =>
    rows.flatMap(({ lines }) => lines).reduce((units, { quantity }) => units + quantity, 0);
  const live = orders.filter(({ status }) => status !== 'refused');
  const refused = orders.filter(({ status }) => status === 'refused');
  const unfounded = refused.filter((order) => {
    const buyer = live.filter(({ user_id }) => user_id === order.user_id);
    const channel = live.filter(({ channel_id }) => channel_id === order.channel_id);
    const cap = channels.find(({ id }) => id === order.channel_id)?.cap ?? Infinity;
    return sum([...buyer, order]) <= (limitPerBuyer ?? Infinity) && sum([...channel, order]) <= cap;
  });
  t.same(unfounded, [], `${refused.length} reservations are refused, all of them beyond a limit`);
  t.same(
    orders
      .filter(({ user_id }) => user_id === 'eager')
      .map(({ status }) => status === 'refused')
      .sort(),
    [false, true],
    'of two that each take all a buyer may have, one',
  );
  return refused.map(({ id }) => id);
}

await t.test(
  'a tail that only Redis knew is lost with it, and stock notices although Postgres never heard of it',
  async (t) => {
    const rush = await startRush({ client, engines, saleId: 'unheard', random });
    relay.kill('SIGSTOP');
    const putBack = copyAof(await aofFolder(redis));
    const before = await laneState(client, 'unheard');
    await untilMore(rush, 20);
    const lost = await freezeWrites(redis, 'unheard');
    await stack.engines.kill('redis');
    putBack();
    await stack.engines.restart('redis');
    relay.kill('SIGCONT');
    await untilOpen(client, 'unheard', before?.epoch);
    await untilMore(rush, 10);
    await rush.stop();
    const stored = new Set((await engines.orders('unheard')).map(({ id }) => id));
    const missing = [...rush.history.promised.keys()].filter((id) => !stored.has(id));
    t.ok(missing.length > 0, `${missing.length} buyers were told of reservations that are gone`);
    t.same(
      missing.filter((id) => !lost.has(id)),
      [],
      'all of them stood in the outbox alone',
    );
    await judgeRush(t, { client, engines, rush, lost });
  },
);

async function readBeyondLimits(saleId: string): Promise<string[]> {
  const postgres = new pg.Client({ connectionString: stack.info.postgres });
  await postgres.connect();
  const { rows } = await postgres.query<{ id: string }>(
    `SELECT id FROM orders WHERE sale_id = $1 AND refusal = 'limit'`,
    [saleId],
  );
  await postgres.end();
  return rows.map(({ id }) => id);
}
