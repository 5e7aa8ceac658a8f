// Goal: a closed lane opens only as what Postgres can vouch for, and always opens in the end
// (docs/recovery.md, "The gate").
// Method: the real gate on a real Redis against an order whose answers the test sets; a process "dies" by an
// error thrown before one of its steps. Both services, real kills and Kafka: test/faults.
import { LIMITS, type SnapshotOrder } from '@seckill/contracts';
import { valuesOf } from '@seckill/testing';
import { systemClock, type Clock } from '@seckill/runtime';
import t from 'tap';
import type { OpeningStep } from '../../src/recovery/deps.ts';
import { formatLane, laneKeys, LANES_KEY, scriptKeys } from '../../src/redis/keys.ts';
import { keyHashOf } from '../../src/redis/reservation-id.ts';
import { toSnapshotOrder } from '../support/snapshot.ts';
import { build, item, until, type Built } from '../support/build.ts';

const STEPS: OpeningStep[] = ['close', 'drain', 'ends', 'snapshot', 'load', 'verdicts', 'opening', 'open'];
/** The clock of the bound on waiting for the relay runs fifty times as fast. */
const impatient: Clock = { ...systemClock, now: () => performance.now() * 50 };

interface Sale {
  saleId: string;
  lane: { saleId: string; lane: number };
  /** The reservations as order stores them. */
  orders: SnapshotOrder[];
}

/** An open sale with reservations of three buyers, which the relay has brought to Kafka. */
async function sellSome(built: Built, buyers = 3): Promise<Sale> {
  const { saleId } = built.addSale();
  await built.hand(built.order.controls.get(saleId) as never);
  const lane = { saleId, lane: 0 };
  const items = Array.from({ length: buyers }, (_, index) =>
    item(saleId, { userId: `u${index}`, idempotencyKey: `k${index}`, lines: [{ sku: 'b', quantity: 2 }] }),
  );
  for (let start = 0; start < items.length; start += LIMITS.reserveBatchMax) {
    await built.reserveAll(items.slice(start, start + LIMITS.reserveBatchMax));
  }
  await built.relay(saleId);
  const records = await built.connection.redis.hvals(laneKeys(lane).holds);
  const orders = records.map((record) => toSnapshotOrder(lane, record));
  built.order.calls = [];
  return { saleId, lane, orders: orders.sort((one, other) => one.sequence - other.sequence) };
}

async function stateOf(built: Built, saleId: string): Promise<Record<string, unknown>> {
  return (await built.send('GET', `/internal/sales/${saleId}/state`)).body;
}

async function closeLane(built: Built, { lane }: Sale): Promise<void> {
  await built.connection.redis.close(scriptKeys('close', lane), built.connection.runId ?? '', '1');
}

const again = (saleId: string, index: number) =>
  item(saleId, { userId: `u${index}`, idempotencyKey: `k${index}`, lines: [{ sku: 'b', quantity: 2 }] });

await t.test('a lane that agrees with order is compared and opened; nothing is loaded', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built);
  await closeLane(built, sale);
  let asked: unknown;
  built.order.onOpening = async (request) => void (asked = request);
  await built.opener.open(sale.lane);
  t.same(built.order.calls, ['openings 1']);
  t.same(asked, { lane: 0, epoch: 1, sequence: 3, version: 1, ends: ['0'] });
  t.match(await built.reserve(again(sale.saleId, 0)), [{ outcome: 'reserved', replayed: true }]);
  t.same(await valuesOf(built.gateMetrics.opened), { compared: 1, loaded: 1 });
  await built.opener.open(sale.lane);
  t.same(built.order.calls, ['openings 1'], 'an open lane is left alone');
});

await t.test('nothing opens while the relay has not emptied the outbox', async (t) => {
  const built = await build(t, { clock: impatient });
  const { saleId } = built.addSale();
  await built.hand(built.order.controls.get(saleId) as never);
  await built.reserveAll([item(saleId)]);
  const lane = { saleId, lane: 0 };
  await closeLane(built, { saleId, lane, orders: [] });
  built.order.calls = [];
  await t.rejects(built.opener.open(lane), { code: 'SECKILL_LANE_NOT_READY' });
  t.same(built.order.calls, []);
  t.equal(await built.connection.redis.xlen(laneKeys(lane).outbox), 1, 'and it is never emptied by hand');
  await built.relay(saleId);
  await built.opener.open(lane);
  t.match(await stateOf(built, saleId), { gate: 'open', epoch: 1 });
});

await t.test(
  'a lane that order refuses is loaded under the next epoch, with every answer kept (INV-4)',
  async (t) => {
    const built = await build(t);
    const sale = await sellSome(built);
    const first = await built.reserve(again(sale.saleId, 0), again(sale.saleId, 1), again(sale.saleId, 2));
    await closeLane(built, sale);
    const [paid, cancelled, pending] = sale.orders;
    built.order.orders = [
      { ...(paid as SnapshotOrder), status: 'paid' },
      { ...(cancelled as SnapshotOrder), status: 'cancelled' },
      pending as SnapshotOrder,
    ];
    built.order.grants = (epoch) => epoch > 1;
    built.order.refusal = 'behind';
    await built.opener.open(sale.lane);
    t.same(built.order.calls, ['openings 1', 'snapshots', 'openings 2']);
    t.match(await stateOf(built, sale.saleId), {
      gate: 'open',
      epoch: 2,
      sequence: 0,
      items: [{}, { sku: 'b', total: 100_000, available: 99_996, held: 2, paid: 2 }],
    });
    const repeats = await built.reserve(...[0, 1, 2].map((index) => again(sale.saleId, index)));
    // A record tells what has become of its order beside the first answer.
    const statuses = ['paid', 'cancelled', 'pending'];
    t.same(
      repeats,
      first.map((answer, index) => ({ ...answer, orderStatus: statuses[index] })),
    );
  },
);

await t.test('a lane that is gone is loaded again, page by page', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built, 1_201);
  built.order.orders = sale.orders;
  await built.connection.redis.del(...Object.values(laneKeys(sale.lane)));
  t.match(await built.reserve(again(sale.saleId, 0)), [{ outcome: 'sale_unavailable', missing: true }]);
  await built.opener.open(sale.lane);
  t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 2_402 }] });
  t.match(await built.reserve(again(sale.saleId, 1_200)), [{ outcome: 'reserved', replayed: true }]);
});

await t.test(
  'a lane whose state alone is gone: its outbox is published and its holds are asked about first (INV-2)',
  async (t) => {
    const built = await build(t);
    const hasty = await build(t, { clock: impatient, order: built.order });
    const sale = await sellSome(built, 4);
    const [unknown, cancelled, ...pending] = sale.orders as [
      SnapshotOrder,
      SnapshotOrder,
      ...SnapshotOrder[],
    ];
    await built.reserveAll([item(sale.saleId, { userId: 'waiting' })]);
    const keys = laneKeys(sale.lane);
    await built.connection.redis.del(keys.state);
    await built.connection.redis.srem(LANES_KEY, formatLane(sale.lane));
    built.order.orders = pending;
    built.order.unknown = new Set([unknown.reservationId]);
    built.order.ended.set(cancelled.reservationId, 'cancelled');
    built.published.length = 0;
    t.match(await built.opener.readState(sale.lane), { gate: 'missing', outbox: 1, leftHolds: 5 });
    await t.rejects(hasty.opener.open(sale.lane), /the relay has not emptied the outbox yet/);
    t.same(built.order.calls, [], 'no snapshot is taken that lacks what is in the outbox');
    t.equal(await built.connection.redis.hlen(keys.holds), 5, 'nothing is removed');
    t.equal(await built.connection.redis.sismember(LANES_KEY, formatLane(sale.lane)), 1, 'a relay finds it');
    await built.relay(sale.saleId);
    await built.opener.open(sale.lane);
    t.same(
      built.published.map(({ key }) => key),
      [unknown.reservationId],
      'what only Redis knows is in Kafka before it is dropped',
    );
    t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 4 }] });
  },
);

for (const [name, id, epoch] of [
  ['a high id that may be one of ours', '7-9', 8],
  ['the time, as XADD * writes it', '*', 2],
  ['the highest id', '18446744073709551615-18446744073709551615', 2],
] as const) {
  await t.test(`a foreign entry of the outbox keeps no lane from selling: ${name}`, async (t) => {
    const built = await build(t);
    const sale = await sellSome(built);
    built.order.orders = sale.orders;
    const { outbox } = laneKeys(sale.lane);
    await built.connection.redis.xadd(outbox, id, 'record', 'garbage');
    await built.relay(sale.saleId);
    t.equal(await built.connection.redis.xlen(outbox), 0);
    const stop = new AbortController();
    const running = built.monitor.run(stop.signal);
    await until('it is sold again', async () => {
      const [answer] = await built.reserve(item(sale.saleId, { userId: 'later' }));
      if (answer?.outcome !== 'reserved') t.equal(answer?.outcome, 'sale_unavailable', 'nothing was taken');
      return answer?.outcome === 'reserved';
    });
    t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch });
    stop.abort();
    await running;
  });
}

await t.test(
  'holds that ended in Postgres are settled before the lane opens, loaded or compared',
  async (t) => {
    const built = await build(t);
    for (const way of ['compared', 'loaded']) {
      const sale = await sellSome(built);
      await closeLane(built, sale);
      built.order.orders = sale.orders;
      const epoch = built.order.epoch;
      built.order.grants = (one) => way === 'compared' || one > epoch;
      const [first, second] = sale.orders;
      built.order.ended.set(first?.reservationId ?? '', 'cancelled').set(second?.reservationId ?? '', 'paid');
      await built.opener.open(sale.lane);
      t.match(
        await stateOf(built, sale.saleId),
        { gate: 'open', items: [{}, { available: 99_996, held: 2, paid: 2 }] },
        way,
      );
    }
    t.same(await valuesOf(built.gateMetrics.settledHolds), { '': 6 }, 'those of the snapshot once more');
  },
);

await t.test(
  'holds that Postgres does not know are published again, also when the lane is loaded anew',
  async (t) => {
    const built = await build(t);
    for (const isForced of [false, true]) {
      const sale = await sellSome(built);
      await closeLane(built, sale);
      built.order.orders = sale.orders.slice(1);
      built.order.unknown = new Set([sale.orders[0]?.reservationId ?? '']);
      built.published.length = 0;
      await built.opener.open(sale.lane, { isForced });
      t.same(
        built.published.map(({ key }) => key),
        [sale.orders[0]?.reservationId],
      );
      const message = JSON.parse(built.published[0]?.value ?? '') as object;
      t.match(message, { userId: 'u0', idempotencyKey: 'k0', epoch: sale.orders[0]?.epoch, sequence: 1 });
      built.order.unknown.clear();
    }
  },
);

await t.test(
  'a Redis behind what this process acknowledged is loaded anew, though order agrees with it',
  async (t) => {
    const built = await build(t);
    const sale = await sellSome(built);
    built.order.orders = sale.orders.slice(0, 2);
    const { state, holds } = laneKeys(sale.lane);
    await built.connection.redis.hset(state, 'sequence', '2');
    await built.connection.redis.hdel(holds, keyHashOf('u2', 'k2'));
    await built.opener.open(sale.lane);
    t.same(built.order.calls, ['snapshots', 'openings 2'], 'also when another process has opened it');
    t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 4 }] });
  },
);

await t.test('a distrusted epoch is loaded anew before its control state is acknowledged', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built);
  built.order.orders = sale.orders;
  const control = { ...(built.order.controls.get(sale.saleId) as object), distrustedEpoch: 1 };
  const answer = await built.send('PUT', `/internal/sales/${sale.saleId}`, { as: 'order', body: control });
  t.match(answer, { status: 200, body: { epoch: 2 } });
  t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 6 }] });
});

await t.test('returns that Redis lost without losing a reservation are found by the check', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built);
  const reservationId = sale.orders[0]?.reservationId ?? '';
  await closeLane(built, sale);
  // Redis has heard neither that the order was paid nor that a unit came back.
  built.order.ended.set(reservationId, 'paid');
  const lines = [{ sku: 'b', returned: 1, restocked: 1 }];
  built.order.returned = [{ reservationId, verdict: 'paid', returned: { number: 1, lines } }];
  await built.opener.open(sale.lane);
  t.match(await stateOf(built, sale.saleId), {
    gate: 'open',
    epoch: 1,
    items: [{}, { held: 4, paid: 1, available: 99_995 }],
  });
});

await t.test('a broken lane is loaded anew', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built);
  await closeLane(built, sale);
  built.order.orders = sale.orders.slice(1);
  built.order.ended.set(sale.orders[0]?.reservationId ?? '', 'expired');
  await built.connection.redis.hset(laneKeys(sale.lane).state, 'b:held', '0');
  await built.opener.open(sale.lane);
  t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 4 }] });
});

await t.test(
  'a hold that cannot be read has the lane loaded anew, after the others were looked at',
  async (t) => {
    const built = await build(t);
    const sale = await sellSome(built);
    await closeLane(built, sale);
    const [unread, unknown, known] = sale.orders as [SnapshotOrder, SnapshotOrder, SnapshotOrder];
    const { holds } = laneKeys(sale.lane);
    await built.connection.redis.hset(
      holds,
      keyHashOf(unread.userId, unread.idempotencyKey),
      'half\na record',
    );
    built.order.orders = [unread, known];
    built.order.unknown = new Set([unknown.reservationId]);
    built.published.length = 0;
    await built.opener.open(sale.lane);
    t.same(
      built.published.map(({ key }) => key),
      [unknown.reservationId],
      'what only Redis knows is in Kafka before it is dropped (INV-2)',
    );
    t.match(await stateOf(built, sale.saleId), { gate: 'open', epoch: 2, items: [{}, { held: 4 }] });
  },
);

for (const way of ['compared', 'loaded'] as const) {
  await t.test(
    `a process that dies before any of its steps leaves work that the next one ends: ${way}`,
    async (t) => {
      let dying: OpeningStep | undefined;
      const mortal = await build(t, {
        onStep: (step) => {
          if (step === dying) throw new Error('the process died');
        },
      });
      const next = await build(t, { order: mortal.order });
      for (const step of STEPS) {
        if (way === 'compared' && (step === 'snapshot' || step === 'load')) continue;
        dying = undefined;
        const sale = await sellSome(mortal);
        const { epoch } = mortal.order;
        mortal.order.orders = sale.orders;
        mortal.order.grants = (one) => one === mortal.order.epoch && (way === 'compared' || one > epoch);
        await closeLane(mortal, sale);
        dying = step;
        await t.rejects(mortal.opener.open(sale.lane), /died/, step);
        t.match(
          await mortal.reserve(again(sale.saleId, 0)),
          [{ outcome: 'sale_unavailable' }],
          `${step}: closed`,
        );
        await next.opener.open(sale.lane);
        const items = [{}, { available: 99_994, held: 6, paid: 0 }];
        t.match(await stateOf(next, sale.saleId), { gate: 'open', items }, step);
        t.match(await next.reserve(again(sale.saleId, 2)), [{ outcome: 'reserved', replayed: true }], step);
        // Order no longer knows these reservations, because the snapshots of the next round are of another
        // sale.
        mortal.order.orders = [];
        mortal.order.controls.delete(sale.saleId);
      }
    },
  );
}

await t.test('a rebuilder that slept loads and opens nothing once another has opened', async (t) => {
  for (const moment of ['snapshot', 'opening'] as const) {
    const slow = await build(t);
    const fast = await build(t, { order: slow.order });
    const sale = await sellSome(slow);
    slow.order.orders = sale.orders;
    await slow.connection.redis.del(...Object.values(laneKeys(sale.lane)));
    let wake: () => void = () => undefined;
    const sleep = new Promise<void>((resolve) => (wake = resolve));
    let isAsleep = false;
    const once = async (): Promise<void> => {
      if (isAsleep) return;
      isAsleep = true;
      await sleep;
    };
    if (moment === 'snapshot') slow.order.onSnapshot = once;
    else slow.order.onOpening = once;
    const sleeper = slow.opener.open(sale.lane).catch((error: unknown) => error);
    await until('it sleeps', () => isAsleep);
    await t.rejects(fast.opener.open(sale.lane), { code: 'SECKILL_LANE_KEPT' }, 'one at a time');
    // The sleeper's right to work ends by itself, and no other step waits for that.
    await fast.connection.redis.del(laneKeys(sale.lane).recovery);
    await fast.opener.open(sale.lane);
    await fast.reserveAll([item(sale.saleId, { userId: 'later', lines: [{ sku: 'b', quantity: 1 }] })]);
    const before = await stateOf(fast, sale.saleId);
    wake();
    // The lane that it loaded itself, and the other one opened under the same epoch, is open for both.
    t.match(await sleeper, moment === 'snapshot' ? { name: 'LaneError' } : undefined, moment);
    const { now: _then, ...was } = before;
    const { now: _now, ...is } = await stateOf(fast, sale.saleId);
    t.same(is, was, `${moment}: what was sold since stays sold`);
  }
});

await t.test('a permission that is older than the last closing opens nothing', async (t) => {
  const built = await build(t);
  const sale = await sellSome(built);
  await closeLane(built, sale);
  built.order.onOpening = async () => {
    built.order.onOpening = async () => undefined;
    await built.connection.redis.open(scriptKeys('open', sale.lane), built.connection.runId ?? '', 1, 3, 2);
    await closeLane(built, sale);
  };
  await t.rejects(built.opener.open(sale.lane), /changed/);
  t.match(await stateOf(built, sale.saleId), { gate: 'rebuilding' });
  await built.opener.open(sale.lane);
  t.match(await stateOf(built, sale.saleId), { gate: 'open' });
});

await t.test(
  'a closing while a permission is asked for voids it, though the lane was closed then',
  async (t) => {
    const built = await build(t);
    const sale = await sellSome(built);
    await closeLane(built, sale);
    // As the lane monitor does that sees a move of the slot, which is given up before order answers.
    built.order.onOpening = async () => {
      built.order.onOpening = async () => undefined;
      await closeLane(built, sale);
    };
    await t.rejects(built.opener.open(sale.lane), /changed/);
    t.match(await stateOf(built, sale.saleId), { gate: 'rebuilding' });
    await built.opener.open(sale.lane);
    t.match(await stateOf(built, sale.saleId), { gate: 'open' });
  },
);

await t.test(
  'the monitor opens what closed, of its own accord, and forgets failures when Redis is another',
  async (t) => {
    const built = await build(t);
    const stop = new AbortController();
    const running = built.monitor.run(stop.signal);
    const sale = await sellSome(built);
    built.order.orders = sale.orders;
    const isOpen = async (): Promise<boolean> => (await stateOf(built, sale.saleId))['gate'] === 'open';
    built.monitor.wake(built.connection, true);
    await closeLane(built, sale);
    await until('it is compared', isOpen);
    await built.connection.redis.del(...Object.values(laneKeys(sale.lane)));
    await until('it is loaded', isOpen);
    t.match(await stateOf(built, sale.saleId), { epoch: 2 });
    built.order.snapshotStatus = 503;
    await built.connection.redis.del(...Object.values(laneKeys(sale.lane)));
    await until('it failed', async () => ((await valuesOf(built.gateMetrics.failures))[''] ?? 0) >= 2);
    t.equal((await valuesOf(built.gateMetrics.closedLanes))[''], 1);
    built.order.snapshotStatus = undefined;
    built.monitor.wake(built.connection, true);
    await until('it is loaded after all', isOpen);
    // The lane is retired here, and order has not noticed yet. Loading it again would go on for ever.
    built.order.retiring.add(sale.saleId);
    built.monitor.wake(built.connection, true);
    await until(
      'the list is read again',
      async () => ((await valuesOf(built.gateMetrics.closedLanes))[''] ?? 1) === 0,
    );
    await built.connection.redis.del(...Object.values(laneKeys(sale.lane)));
    const other = await sellSome(built);
    built.order.orders = other.orders;
    await built.connection.redis.del(...Object.values(laneKeys(other.lane)));
    built.monitor.wake(built.connection, true);
    await until('another is loaded', async () => (await stateOf(built, other.saleId))['gate'] === 'open');
    t.match(await stateOf(built, sale.saleId), { gate: 'missing' });
    stop.abort();
    await running;
  },
);

await t.test('a lane that closes while order is away, or with Redis, is counted as closed', async (t) => {
  const built = await build(t);
  const stop = new AbortController();
  const running = built.monitor.run(stop.signal);
  const sale = await sellSome(built);
  built.order.orders = sale.orders;
  const isOpen = async (): Promise<boolean> => (await stateOf(built, sale.saleId))['gate'] === 'open';
  const counts = async (closed: number): Promise<boolean> =>
    (await valuesOf(built.gateMetrics.closedLanes))[''] === closed;
  await closeLane(built, sale);
  built.monitor.wake(built.connection, true);
  await until('it is known, and open', async () => (await isOpen()) && (await counts(0)));
  built.order.listStatus = 503;
  built.order.snapshotStatus = 503;
  built.order.grants = () => false;
  await closeLane(built, sale);
  built.monitor.wake(built.connection, true);
  await until('it is counted', () => counts(1));
  built.order.listStatus = undefined;
  built.order.snapshotStatus = undefined;
  built.order.grants = (epoch) => epoch === built.order.epoch;
  built.monitor.wake(built.connection, true);
  await until('it is open again', async () => (await isOpen()) && (await counts(0)));
  built.connection.redis.disconnect();
  await until('none sells', () => counts(1));
  await built.connection.redis.connect();
  await until('all do', () => counts(0));
  t.equal(await isOpen(), true);
  stop.abort();
  await running;
});
