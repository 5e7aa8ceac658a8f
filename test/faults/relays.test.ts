// Goal: what a relay holds while Redis loses it costs no unit (INV-1, INV-3, INV-6), and is lost or refused only where
// nobody else knew it; then it is told (INV-2). Method: the relay is a process of its own under a rush of buyers; it is
// stopped, Redis is put back or emptied, and the relay wakes, or what it held is published after the rebuild.
import { createKafka, createLogger, createProducer, createPublisher } from '@seckill/runtime';
import { RESERVATION_CREATED, TOPICS } from '@seckill/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { EngineReader } from '../../bench/src/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { toMessage } from '../../services/stock/src/message.ts';
import { judgeRush, laneState, startRush, untilMore, untilOpen } from '../support/aftermath.ts';
import { aofFolder, connectRedis, copyAof, flushAll, freezeWrites, readOutbox } from '../support/redis.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
// A relay that died or sleeps is replaced soon.
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
    // Anywhere: before it has read, with entries in its memory, with a request on its way to Kafka.
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
  await judgeRush(t, { client, engines, rush, lost });
});

await t.test(
  'entries that come after the rebuild are stored, and the sale is loaded anew with them',
  async (t) => {
    // The ledger knows totals alone: what comes late is stored although its buyer has bought up to the limit again
    // meanwhile. Promises are kept (INV-2) at the cost of limits and caps (INV-6), so this sale has none.
    const sale = {
      limitPerBuyer: undefined,
      channels: [{ id: 'capped', kind: 'community', title: 'Not capped' }],
    };
    const rush = await startRush({ client, engines, saleId: 'late', random, isIdle: true, sale });
    relay.kill('SIGSTOP');
    await untilMore(rush, 20);
    const before = await laneState(client, 'late');
    const entries = await readOutbox(redis, 'late');
    const lost = await flushAll(redis, 'late');
    const loaded = await untilOpen(client, 'late', before?.epoch);
    await untilMore(rush, 10);
    // As a relay does that had read them before it slept.
    const producer = createProducer(
      createKafka(stack.info.kafka.split(','), 'late', createLogger('late', 'silent')),
    );
    await producer.connect();
    const messages = entries.map((entry) => toMessage({ saleId: 'late', lane: 0 }, entry));
    await createPublisher(producer).publish(TOPICS.reservations, RESERVATION_CREATED, messages);
    await producer.disconnect();
    relay.kill('SIGCONT');
    await untilOpen(client, 'late', loaded.epoch);
    // They are not lost: every one of them keeps its answer, for nobody has repeated its key in between.
    for (const { reservationId } of entries.map((entry) => ({ reservationId: idOf('late', entry.record) }))) {
      lost.delete(reservationId);
    }
    await judgeRush(t, { client, engines, rush, lost });
  },
);

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

function idOf(saleId: string, record: string): string {
  return `${saleId}.0.${record.split('\n', 1)[0] ?? ''}`;
}
