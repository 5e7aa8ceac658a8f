// Goal: gateways hear of every change in time and of every user who reserved, whatever Redis or a process
// does meanwhile.
// Method: the assembled app and the announcer on a real Redis, and a subscriber of the test's own.
import {
  Announcement,
  CHANGES_CHANNEL,
  parseChange,
  STATES_CHANNEL,
  StockState,
  type Change,
  type FullState,
  type ReserveItem,
} from '@seckill/contracts';
import { saltedKeyHash } from '@seckill/runtime';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { Compile } from 'typebox/compile';
import { FullStates } from '../../src/announce/full-state.ts';
import type { Connection } from '../../src/redis/connection.ts';
import { laneKeys, scriptKeys } from '../../src/redis/keys.ts';
import { splitSuffix } from '../../src/redis/reservation-id.ts';
import { build, item, startRedis, until } from '../support/build.ts';

const announcement = Compile(Announcement);

/** The hash of a reservation, made with the salt of this Redis. */
const hashOf = ({ runId = '' }: Connection, { userId, idempotencyKey }: ReserveItem) =>
  saltedKeyHash(runId, userId, idempotencyKey);

async function listen(t: Test, url: string) {
  const subscriber = new Redis(url);
  const heard: Announcement[] = [];
  const heartbeats: unknown[] = [];
  const changes: Change[] = [];
  subscriber.on('message', (channel, text) => {
    if (channel === CHANGES_CHANNEL) {
      const change = parseChange(text);
      if (change === undefined) heartbeats.push(JSON.parse(text));
      else changes.push(change);
      return;
    }
    const message: unknown = JSON.parse(text);
    if (!announcement.Check(message)) throw new Error(`not an announcement: ${text}`);
    heard.push(message);
  });
  await subscriber.subscribe(STATES_CHANNEL, CHANGES_CHANNEL);
  t.teardown(() => {
    subscriber.disconnect();
  });
  return {
    heartbeats,
    changes,
    of: (saleId: string) => heard.filter((message) => message.saleId === saleId),
    /** Everything that was announced: from the sequence to the hash of user and key. */
    reserved: (saleId: string) => {
      const reserved = new Map<number, number>();
      for (const { reservations } of heard.filter((one) => one.saleId === saleId)) {
        for (let index = 0; index < reservations.length; index += 2) {
          reserved.set(reservations[index] ?? 0, reservations[index + 1] ?? 0);
        }
      }
      return reserved;
    },
  };
}

await t.test('a change that contradicts the last announcement does not wait for the tick', async (t) => {
  const url = process.env['REDIS_URL'] ?? '';
  // The test does not call `run`, so no tick helps.
  const { addSale, hand, reserve, announcer, connection } = await build(t);
  const ears = await listen(t, url);
  const sale = addSale({ items: [{ sku: 'a', price: 1, total: 1 }] });
  const lane = { saleId: sale.saleId, lane: 0 };
  await hand(sale);
  await until('the load is announced', () => ears.of(sale.saleId).length > 0);
  t.match(ears.of(sale.saleId).at(-1), { gate: 'open', epoch: 1, version: 1, sequence: 0 });

  const first = item(sale.saleId);
  await reserve(first);
  await reserve(item(sale.saleId, { userId: 'u2' }));
  await until('sold out is announced', () => ears.of(sale.saleId).at(-1)?.items[0]?.available === 0);
  t.same(ears.of(sale.saleId).at(-1)?.items, [{ sku: 'a', total: 1, available: 0, held: 1 }]);
  t.same([...ears.reserved(sale.saleId)], [[1, hashOf(connection, first)]], 'with who took it, and the key');
  const count = ears.of(sale.saleId).length;
  await reserve(item(sale.saleId, { userId: 'u3' }));
  announcer.announce({ saleId: 'other', lane: 0 });
  await until('another lane is announced', () => ears.of('other').length > 0);
  t.equal(ears.of(sale.saleId).length, count, '"sold out" once more is no news');

  // Another process would do this by settle.lua.
  await connection.redis.hset(laneKeys(lane).state, 'a:available', 1, 'a:held', 0);
  await reserve(item(sale.saleId, { userId: 'u4' }));
  await until('the resale is announced', () => ears.reserved(sale.saleId).has(2));
  await hand({ ...sale, version: 2, state: 'paused' });
  await until('the pause is announced', () => ears.of(sale.saleId).at(-1)?.state === 'paused');
});

await t.test(
  'a lane that sells is announced four times a second, and the last reservations when the process ends',
  async (t) => {
    const { addSale, hand, reserveAll, announcer, connection } = await build(t);
    const ears = await listen(t, process.env['REDIS_URL'] ?? '');
    const sale = addSale();
    await hand(sale);
    const stop = new AbortController();
    const running = announcer.run(stop.signal);
    const users = Array.from({ length: 300 }, (_, index) => `u${index}`);
    const items = users.map((userId) => item(sale.saleId, { userId, lines: [{ sku: 'b', quantity: 1 }] }));
    const startedAt = performance.now();
    for (let start = 0; start < 250; start += 10) await reserveAll(items.slice(start, start + 10));
    const most = (performance.now() - startedAt) / 250 + 3;
    t.ok(ears.of(sale.saleId).length <= most, `${ears.of(sale.saleId).length} announcements`);
    await reserveAll(items.slice(250));
    stop.abort();
    await running;
    await until('the last word has come', () => ears.of(sale.saleId).at(-1)?.sequence === 300);
    const announced = ears.reserved(sale.saleId);
    t.same(
      [...announced.keys()].sort((left, right) => left - right),
      [...users.keys()].map((n) => n + 1),
    );
    t.same(announced.get(1), hashOf(connection, items[0] ?? item('')));
    t.same(new Set(announced.values()), new Set(items.map((one) => hashOf(connection, one))));
  },
);

await t.test('a lane that nothing happens to is announced when somebody asks, and not else', async (t) => {
  const { addSale, hand, reserve, send, announcer } = await build(t);
  const ears = await listen(t, process.env['REDIS_URL'] ?? '');
  const sale = addSale({ state: 'paused' });
  await hand(sale);
  await until('the load is announced', () => ears.of(sale.saleId).length > 0);
  const stop = new AbortController();
  const running = announcer.run(stop.signal);
  await until('heartbeats', () => ears.heartbeats.length >= 6);
  const count = ears.of(sale.saleId).length;
  t.ok(count <= 2, `${count} announcements`);
  await send('GET', `/internal/sales/${sale.saleId}/state`);
  await until('a reader makes one', () => ears.of(sale.saleId).length === count + 1);
  t.match(await reserve(item(sale.saleId)), [{ outcome: 'sale_paused' }]);
  await until('who is turned away makes one', () => ears.of(sale.saleId).length === count + 2);
  await send('GET', '/internal/sales/nobody-knows/state');
  stop.abort();
  await running;
  t.same(ears.of('nobody-knows'), [], 'a name that anybody can make up');
});

await t.test('every script that changes a lane tells so, with the instant of Redis’ clock', async (t) => {
  const { addSale, hand, reserve, connection } = await build(t);
  const ears = await listen(t, process.env['REDIS_URL'] ?? '');
  const sale = addSale();
  const lane = { saleId: sale.saleId, lane: 0 };
  const told = () => ears.changes.filter(({ saleId }) => saleId === sale.saleId).map(({ what }) => what);
  await hand(sale);
  await until('closed and opened', () => told().length === 2);
  t.same(told(), ['gate', 'gate']);
  const [answer] = await reserve(item(sale.saleId));
  await until('a reservation', () => told().length === 3);
  await reserve(item(sale.saleId, { userId: 'u2', lines: [{ sku: 'a', quantity: 9 }] }));
  await hand({ ...sale, version: 2, state: 'paused' });
  await hand({ ...sale, version: 2, state: 'paused' });
  const suffix = answer?.outcome === 'reserved' ? (answer.reservation.id.split('.')[2] ?? '') : '';
  const { random, keyHash } = splitSuffix(suffix);
  await connection.redis.settle(scriptKeys('settle', lane), random, keyHash, 'cancelled', '');
  await connection.redis.settle(scriptKeys('settle', lane), random, keyHash, 'cancelled', '');
  await connection.redis.close(scriptKeys('close', lane), connection.runId ?? '', '1');
  await until('the last', () => told().length >= 6);
  t.same(told().slice(2), ['reserved', 'control', 'settled', 'gate'], 'a "no" and a repeat change nothing');
  const ats = ears.changes.filter(({ saleId }) => saleId === sale.saleId).map(({ at }) => at);
  t.same(
    ats,
    [...ats].sort((left, right) => left - right),
  );
  const [seconds] = await connection.redis.time();
  t.ok(Math.abs(Number(seconds) * 1_000 - (ats.at(-1) ?? 0)) < 2_000);
});

await t.test('reservations are kept while Redis takes no announcement', async (t) => {
  const engines = await startRedis(t);
  const { addSale, hand, reserve, announcer, connection } = await build(t, { redisUrl: engines.redis });
  const ears = await listen(t, engines.redis);
  const sale = addSale();
  await hand(sale);
  await until('the load is announced', () => ears.of(sale.saleId).length > 0);
  await reserve(item(sale.saleId));
  // This Redis user may no longer publish, and nothing else fails.
  await connection.redis.call('ACL', 'SETUSER', 'default', '-publish');
  announcer.announce({ saleId: sale.saleId, lane: 0 });
  await reserve(item(sale.saleId, { userId: 'u2' }));
  await connection.redis.call('ACL', 'SETUSER', 'default', '+publish');
  await until('both are announced', () => {
    announcer.announce({ saleId: sale.saleId, lane: 0 });
    return ears.reserved(sale.saleId).size === 2;
  });
});

await t.test(
  'the whole state names the channels and every key that has reserved, also of ended orders',
  async (t) => {
    const { addSale, hand, reserveAll, send, connection, connections } = await build(t);
    const sale = addSale();
    const path = `/internal/sales/${sale.saleId}/state?full=true`;
    await hand(sale);
    t.match(await send('GET', path), {
      status: 200,
      body: { sequence: 0, channels: ['x'], salt: connection.runId, reservations: '' },
    });
    const users = Array.from({ length: 250 }, (_, index) => `u${index}`);
    const items = users.map((userId) => item(sale.saleId, { userId, lines: [{ sku: 'b', quantity: 1 }] }));
    await reserveAll(items);
    const { body } = await send('GET', path);
    const full = body as unknown as FullState;
    const names = [...Object.keys(StockState.properties), 'channels', 'salt', 'reservations'];
    t.same(Object.keys(body).sort(), names.sort(), 'no fence and nothing else that only an opening needs');
    const bytes = Buffer.from(full.reservations ?? '', 'base64');
    const told = new Set<number>();
    for (let offset = 0; offset < bytes.length; offset += 4) told.add(bytes.readUInt32LE(offset));
    t.equal(full.sequence, 250);
    t.same(told, new Set(items.map((one) => hashOf(connection, one))));
    t.match(await send('GET', path, { as: 'nobody' }), { status: 401 });
    t.match(await send('GET', `${path}&more=1`), { status: 400 });

    const lane = { saleId: sale.saleId, lane: 0 };
    const few = await new FullStates(connections, () => undefined, 249).read(lane);
    t.equal(few.reservations, undefined, 'more than a gateway keeps');
    t.equal(few.sequence, 250);
    // What a move of the slot leaves that was given up after the holds went (D101).
    await connection.redis.hset(laneKeys(lane).state, 'holds_stamp', '1');
    const torn: unknown[] = [];
    const partly = await new FullStates(connections, (which) => torn.push(which)).read(lane);
    t.equal(partly.reservations, undefined, 'INV-4: who is missing in it would hear "sold out"');
    t.same(torn, [lane], 'and the lane is loaded anew');
    await connection.redis.hset(laneKeys(lane).state, 'gate', 'rebuilding');
    const closed = await new FullStates(connections, () => undefined).read(lane);
    t.equal(closed.reservations, undefined, 'a lane that is being loaded names nobody for sure');
  },
);
