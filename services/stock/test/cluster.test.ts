// Goal: over a Redis Cluster a lane is sold from only on the node that serves it, under that node's identity,
// and whatever happened to its keys on a way or in a failover, no answer is forgotten and nothing is sold
// twice (INV-1, INV-2, INV-4).
// Method: three primaries with a replica each; nodes are killed and halted, slots moved key by key, under the
// lane opener and the lane monitor as they run. Both services under a rush:
// test/faults/redis-cluster.test.ts.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { ReserveAnswer, SnapshotOrder } from '@seckill/contracts';
import { askPrimaryUrls, slotOf } from '@seckill/runtime';
import {
  beginMove,
  endMove,
  giveUpMove,
  keysInSlot,
  moveKey,
  moveSlot,
  startRedisCluster,
  type ClusterNode,
  type Move,
} from '@seckill/stack';
import { silent } from '@seckill/testing';
import t, { type Test } from 'tap';
import { aofFolder } from '../../../test/support/redis.ts';
import { Connections } from '../src/redis/connections.ts';
import { formatLane, laneKeys, LANES_KEY, scriptKeys, STAMP, type Lane } from '../src/redis/keys.ts';
import { listLanes } from '../src/redis/lane-registry.ts';
import { build, item, until } from './support/build.ts';
import { toSnapshotOrder } from './support/snapshot.ts';

t.setTimeout(180_000);
const cluster = await startRedisCluster(`stock-cluster-${process.pid}`);
t.teardown(() => cluster.stop());
const [first, second, third] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode];
const address = { url: first.url, isCluster: true };
const built = await build(t, { address });
const { connections, order, monitor } = built;
// One stand-in of order serves several sales, and lets each open at the epoch under which it was loaded.
order.grants = () => true;

const stop = new AbortController();
const running = monitor.run(stop.signal);
t.teardown(async () => {
  stop.abort();
  await running;
});

const serves = (node: ClusterNode, lane: Lane): boolean =>
  connections.find(lane)?.redis.options.port === node.port;
let names = 0;

/** An open sale whose lane lives on this node. */
async function openOn(node: ClusterNode): Promise<Lane> {
  order.orders = [];
  for (;;) {
    names += 1;
    const lane = { saleId: `cluster-${names}`, lane: 0 };
    if (!serves(node, lane)) continue;
    await built.hand(built.addSale({ saleId: lane.saleId }));
    return lane;
  }
}

const request = ({ saleId }: Lane, index: number) =>
  item(saleId, {
    userId: `u${index}`,
    idempotencyKey: `k${index}`,
    lines: [{ sku: 'b', quantity: 2 }],
  });

function idOf(answer: ReserveAnswer | undefined): string {
  return answer?.outcome === 'reserved' ? answer.reservation.id : (answer?.outcome ?? 'none');
}

/** Stores what the intake would have stored by now. */
async function storeAll(lane: Lane): Promise<void> {
  await built.relay(lane.saleId);
  const { [STAMP]: _stamp, ...records } = await connections.of(lane).redis.hgetall(laneKeys(lane).holds);
  order.orders = Object.values(records)
    .map((record): SnapshotOrder => toSnapshotOrder(lane, record))
    .sort((one, other) => one.sequence - other.sequence);
}

const isOpen = async ({ saleId }: Lane): Promise<boolean> =>
  (await built.send('GET', `/internal/sales/${saleId}/state`)).body['gate'] === 'open';

const moveOf = (lane: Lane, from: ClusterNode, to: ClusterNode): Move => ({
  slot: slotOf(formatLane(lane)),
  from,
  to,
});

await t.test('a slot is what Redis says it is, and every primary is known', async (t) => {
  for (const tag of ['a', 'oranges-2000:0', '赣南脐橙', 'seckill:lanes', '']) {
    const said = await first.command(`CLUSTER KEYSLOT "${tag}"`);
    t.equal(slotOf(tag), Number(said.slice(1)), tag);
  }
  t.same(await askPrimaryUrls(third.url, silent), new Set(cluster.primaries.map(({ url }) => url)));
  t.equal(connections.all().length, 3);
});

await t.test('one Redis is not taken for a cluster, nor a node for one Redis', async (t) => {
  for (const wrong of [
    { url: first.url, isCluster: false },
    { url: process.env['REDIS_URL'] ?? '', isCluster: true },
  ]) {
    const refused = new Connections(wrong, silent);
    await t.rejects(refused.start(), { code: 'SECKILL_REDIS_POLICY', message: /REDIS_CLUSTER/ });
    await refused.close();
  }
});

await t.test('a batch for several nodes is answered by each, in order, under its own identity', async (t) => {
  const lanes = [await openOn(first), await openOn(second), await openOn(third)];
  const items = [0, 1, 2, 3, 4, 5].map((index) => request(lanes[index % 3] as Lane, index));
  const answers = await built.reserve(...items);
  for (const [index, answer] of answers.entries()) {
    const { saleId } = lanes[index % 3] as Lane;
    t.match(answer, { outcome: 'reserved', reservation: { saleId, userId: `u${index}` } });
  }
  const opened = await Promise.all(
    lanes.map(async (lane) => connections.of(lane).redis.hget(laneKeys(lane).state, 'run_id')),
  );
  t.same(
    opened,
    lanes.map((lane) => `${connections.find(lane)?.runId ?? ''}:3`),
  );
  t.equal(new Set(opened).size, 3);
});

await t.test('killed connections and a silent node close no lane and load none', async (t) => {
  const lanes = [await openOn(first), await openOn(second), await openOn(third)];
  for (const lane of lanes) await built.reserveAll([request(lane, 0), request(lane, 1)]);
  // The lane monitor lists every 5 s.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const facts = () =>
    Promise.all(
      lanes.map(async (lane) =>
        connections.of(lane).redis.hmget(laneKeys(lane).state, 'gate', 'epoch', 'fence', 'run_id'),
      ),
    );
  const before = await facts();
  const kill = (node: ClusterNode) => node.command('CLIENT KILL TYPE normal SKIPME yes');
  const sellOn = async (buyer: number): Promise<number> => {
    const since = performance.now();
    for (const lane of lanes) {
      await until('it sells', async () => {
        const [answer] = await built.reserve(request(lane, buyer));
        return answer?.outcome === 'reserved';
      });
    }
    return Math.round(performance.now() - since);
  };
  const took: number[] = [];
  for (const buyer of [2, 3, 4]) {
    const ended = new Set<number>();
    const all = connections.all();
    for (const [index, { redis }] of all.entries()) redis.once('close', () => ended.add(index));
    await Promise.all([first, second, third].map(kill));
    await until('all have ended', () => ended.size === all.length);
    took.push(await sellOn(buyer));
  }
  t.comment(`three nodes sold again after ${took.join(', ')} ms`);
  // The node is silent for less than the 4 s after which the others give it up.
  second.pause();
  t.teardown(() => {
    second.resume();
  });
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  second.resume();
  await sellOn(5);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  t.same(await facts(), before);
});

// The lane monitor asks order for the list of lanes every 5 s, so one wait serves all tests.
const listed: Lane[] = [];

await t.test('the list of lanes is whole again when its node has lost it', async (t) => {
  const lane = await openOn(second);
  listed.push(await openOn(first), await openOn(first));
  await connections.registry.redis.del(LANES_KEY);
  await until('they are listed', async () =>
    (await listLanes(connections)).some(({ saleId }) => saleId === lane.saleId),
  );
  t.equal((await listLanes(connections)).length, 9);
});

await t.test(
  'a lane whose slot moves is closed, loaded where it is now, and opens; keys keep their answers',
  async (t) => {
    const [lane] = listed as [Lane];
    const told = (await built.reserve(request(lane, 0), request(lane, 1))).map(idOf);
    await storeAll(lane);
    const move = moveOf(lane, first, second);
    await beginMove(move);
    const keys = await keysInSlot(first, move.slot);
    await moveKey(move, laneKeys(lane).holds);
    t.same(
      await built.reserve(request(lane, 0), request(lane, 2)),
      Array(2).fill({ outcome: 'sale_unavailable', missing: false }),
      'in two places: neither serves it',
    );
    for (const key of keys.filter((one) => one !== laneKeys(lane).holds)) await moveKey(move, key);
    await endMove(move);
    t.match(
      await built.reserve(request(lane, 2)),
      [{ outcome: 'sale_unavailable' }],
      'nothing is sent after it',
    );
    await until('it is open', () => isOpen(lane));
    t.ok(serves(second, lane));
    t.match((await built.send('GET', `/internal/sales/${lane.saleId}/state`)).body, {
      sequence: 0,
      items: [{}, { sku: 'b', held: 4 }],
    });
    t.same((await built.reserve(request(lane, 0), request(lane, 1))).map(idOf), told);
    t.match(await built.reserve(request(lane, 2)), [{ outcome: 'reserved', replayed: false }]);
  },
);

await t.test('a move that is given up with keys left behind forgets no answer (INV-4)', async (t) => {
  const [, lane] = listed as [Lane, Lane];
  const told = (await built.reserve(request(lane, 0), request(lane, 1))).map(idOf);
  await storeAll(lane);
  const move = moveOf(lane, first, third);
  await beginMove(move);
  for (const part of ['holds', 'buyers'] as const) await moveKey(move, laneKeys(lane)[part]);
  await until('it is seen', () => connections.isMoving(lane));
  await until('it is closed', async () => {
    const gate = await connections.of(lane).redis.hget(laneKeys(lane).state, 'gate');
    return gate === 'rebuilding';
  });
  await giveUpMove(move);
  await until('it is open', () => isOpen(lane));
  t.ok(serves(first, lane), 'where it was');
  t.same((await built.reserve(request(lane, 0), request(lane, 1))).map(idOf), told);
  t.match((await built.send('GET', `/internal/sales/${lane.saleId}/state`)).body, {
    items: [{}, { sku: 'b', held: 4, available: 99_996 }],
  });
});

/** Kills the node and starts it again with its disk, before its replica may take its place. */
async function restartInPlace(node: ClusterNode, beforeStart = (): void => undefined): Promise<void> {
  const replica = cluster.replicas[cluster.primaries.indexOf(node)] as ClusterNode;
  await replica.command('CONFIG SET cluster-replica-no-failover yes');
  await node.kill();
  beforeStart();
  await node.restart();
  await replica.command('CONFIG SET cluster-replica-no-failover no');
}

const factsOf = async (lane: Lane) => {
  const names = ['gate', 'epoch', 'sequence', 'server', 'run_id'] as const;
  const values = await connections.of(lane).redis.hmget(laneKeys(lane).state, ...names);
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
};

/** An open lane with two reservations that order has stored. */
async function sellOn(node: ClusterNode): Promise<{ lane: Lane; told: string[]; epoch: number }> {
  const lane = await openOn(node);
  const told = (await built.reserve(request(lane, 0), request(lane, 1))).map(idOf);
  await storeAll(lane);
  return { lane, told, epoch: Number((await factsOf(lane))['epoch']) };
}

/** The lane has every answer and count, and sells on: as it was, or loaded under a later epoch. */
async function assertKept(
  t: Test,
  { lane, told, epoch }: Awaited<ReturnType<typeof sellOn>>,
  way: 'compared' | 'loaded',
): Promise<void> {
  // A lane that lost a part while it sells is open until it is loaded, and takes nothing.
  const epochNow = async () => Number((await factsOf(lane))['epoch']);
  const isThere = async () => (await isOpen(lane)) && (way === 'compared' || (await epochNow()) > epoch);
  await until('it is open', isThere, 30_000);
  if (way === 'compared') t.equal(await epochNow(), epoch, 'nothing was loaded');
  t.same((await built.reserve(request(lane, 0), request(lane, 1))).map(idOf), told);
  const { body } = await built.send('GET', `/internal/sales/${lane.saleId}/state`);
  t.match(body, { items: [{}, { sku: 'b', held: 4, available: 99_996 }] });
  await built.reserveAll([request(lane, 9)]);
  const counts = await connections.of(lane).redis.hmget(laneKeys(lane).buyers, 'u0', 'u1', 'u9');
  t.match(counts, [/^2 0 1 /, /^2 0 1 /, /^2 0 1 /]);
  // A lane that waits for a relay would keep the lane monitor from those of the next restart.
  await built.relay(lane.saleId);
}

await t.test('a node that restarts in place: its lane is compared, and nothing is loaded', async (t) => {
  const sold = await sellOn(first);
  const before = await factsOf(sold.lane);
  t.match(before['server'], new RegExp(`^${await first.readId()}:\\d+$`));
  await restartInPlace(first);
  await assertKept(t, sold, 'compared');
  const after = await factsOf(sold.lane);
  t.equal(after['server'], before['server']);
  t.not(after['run_id'], before['run_id']);
});

await t.test('a node that restarts without the tail of its file: its lane is loaded', async (t) => {
  const sold = await sellOn(first);
  const folder = await aofFolder(connections.of(sold.lane).redis);
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '');
  const { size } = statSync(file);
  t.match(await built.reserve(request(sold.lane, 2)), [{ outcome: 'reserved' }]);
  await storeAll(sold.lane);
  await restartInPlace(first, () => {
    truncateSync(file, size);
  });
  await until('it is open', () => isOpen(sold.lane), 30_000);
  t.equal(Number((await factsOf(sold.lane))['epoch']), sold.epoch + 1);
  t.match(await built.reserve(request(sold.lane, 2)), [{ outcome: 'reserved', replayed: true }]);
});

for (const part of ['state', 'buyers', 'keys', 'holds', 'returns'] as const) {
  await t.test(`a move that was given up without ${part}, and a restart in place: loaded`, async (t) => {
    const sold = await sellOn(first);
    const move = moveOf(sold.lane, first, third);
    await beginMove(move);
    await moveKey(move, laneKeys(sold.lane)[part]);
    await giveUpMove(move);
    await restartInPlace(first);
    await assertKept(t, sold, 'loaded');
    // What was left there would be in the way of another move.
    await beginMove(move);
    await giveUpMove(move);
  });
}

await t.test('an older copy of a part that comes back, and a restart in place: loaded', async (t) => {
  const sold = await sellOn(first);
  const { redis } = connections.of(sold.lane);
  const { buyers } = laneKeys(sold.lane);
  const copy = await redis.dumpBuffer(buyers);
  t.match(await built.reserve(request(sold.lane, 2)), [{ outcome: 'reserved' }]);
  await storeAll(sold.lane);
  await redis.restore(buyers, 0, copy, 'REPLACE');
  await restartInPlace(first);
  await until('it is open', () => isOpen(sold.lane), 30_000);
  t.equal(Number((await factsOf(sold.lane))['epoch']), sold.epoch + 1);
  t.match(await connections.of(sold.lane).redis.hget(buyers, 'u2'), /^2 0 1 /);
});

await t.test('a part that goes while the lane sells: it sells no more, and is loaded', async (t) => {
  const sold = await sellOn(first);
  await connections.of(sold.lane).redis.del(laneKeys(sold.lane).buyers);
  t.match(await built.reserve(request(sold.lane, 2)), [{ outcome: 'sale_unavailable' }]);
  await assertKept(t, sold, 'loaded');
});

await t.test('a slot that moved there and back, and a restart in place: loaded', async (t) => {
  const sold = await sellOn(first);
  const { slot } = moveOf(sold.lane, first, second);
  await moveSlot({ slot, from: first, to: second });
  await moveSlot({ slot, from: second, to: first });
  await restartInPlace(first);
  await until('it is back', () => serves(first, sold.lane), 30_000);
  await until('it is open', () => isOpen(sold.lane), 30_000);
  t.ok(Number((await factsOf(sold.lane))['epoch']) > sold.epoch);
  t.same((await built.reserve(request(sold.lane, 0), request(sold.lane, 1))).map(idOf), sold.told);
});

await t.test('a node that is another one when the lane would open opens nothing', async (t) => {
  const sold = await sellOn(first);
  let asked = 0;
  order.onOpening = async ({ epoch }) => {
    if (epoch !== sold.epoch) return;
    asked += 1;
    // As if another node had been promoted in its place, and it again in that one's.
    if (asked > 1) return;
    await third.command('CLUSTER BUMPEPOCH');
    // Not before it has heard of that one: the highest epoch stays.
    await until('its epoch rises', async () => (await first.command('CLUSTER BUMPEPOCH')).includes('BUMPED'));
  };
  t.teardown(() => {
    order.onOpening = async () => undefined;
  });
  await restartInPlace(first);
  await assertKept(t, sold, 'loaded');
  t.ok(asked > 0, 'it was compared until then');
});

await t.test('open.lua asks the node itself', async (t) => {
  const { lane, epoch } = await sellOn(first);
  const { redis, runId = '', node } = connections.of(lane);
  const move = moveOf(lane, first, third);
  // Nobody else has it meanwhile: the lane monitor waits for the recovery lease.
  await until(
    'the lease is ours',
    async () => (await redis.set(laneKeys(lane).recovery, 'test', 'PX', 60_000, 'NX')) === 'OK',
  );
  await redis.close(scriptKeys('close', lane), 'another', '0');
  const { server } = await factsOf(lane);
  const fence = Number(await redis.hget(laneKeys(lane).state, 'fence'));
  const open = async (named: string) => {
    const [answer] = await redis.open(scriptKeys('open', lane), runId, epoch, 2, fence, named, move.slot);
    return answer;
  };
  t.equal(server, `${node?.id ?? ''}:${node?.configEpoch ?? ''}`);
  t.equal(await open(`${node?.id ?? ''}:1${node?.configEpoch ?? ''}`), 'moved', 'another epoch');
  t.equal(await open(`${await second.readId()}:${node?.configEpoch ?? ''}`), 'moved', 'another node');
  await redis.hset(laneKeys(lane).state, 'server', '-');
  t.equal(await open(String(server)), 'moved', 'closed by force');
  await redis.hset(laneKeys(lane).state, 'server', String(server));
  await beginMove(move);
  const whileMoving = await open(String(server));
  await giveUpMove(move);
  t.match(whileMoving, /^(moved|changed)$/, 'its slot is on its way');
  await redis.del(laneKeys(lane).recovery);
  await until('it is open', () => isOpen(lane), 30_000);
});

await t.test(
  'a reservation that no replica has is unknown, and its key tells what became of it',
  async (t) => {
    const lane = await openOn(third);
    const [, , replica] = cluster.replicas as [ClusterNode, ClusterNode, ClusterNode];
    replica.pause();
    t.teardown(() => {
      replica.resume();
    });
    t.same(await built.reserve(request(lane, 0)), [{ outcome: 'outcome_unknown' }]);
    replica.resume();
    let answer: ReserveAnswer | undefined;
    await until('it is known', async () => {
      [answer] = await built.reserve(request(lane, 0));
      return answer?.outcome === 'reserved';
    });
    t.match(answer, { replayed: true });
  },
);

await t.test(
  'a node is killed: its lanes open on its replica with all that was told, others never close',
  async (t) => {
    const lane = await openOn(second);
    const other = await openOn(third);
    const told = await Promise.all(
      [0, 1, 2].map(async (index) => (await built.reserve(request(lane, index)))[0]),
    );
    await storeAll(lane);
    await second.kill();
    const heard = new Set<string>();
    let buyer = 0;
    await until(
      'it is open',
      async () => {
        buyer += 1;
        const [first] = await built.reserve(request(other, buyer));
        // A slow disk makes an answer unknown and closes nothing. A repeat with the same key tells.
        const isUnknown = first?.outcome === 'outcome_unknown';
        const [answer] = isUnknown ? await built.reserve(request(other, buyer)) : [first];
        heard.add(answer?.outcome ?? 'none');
        return isOpen(lane);
      },
      60_000,
    );
    t.same(heard, new Set(['reserved']), `others: ${buyer} were served meanwhile`);
    const [, replica] = cluster.replicas as [ClusterNode, ClusterNode, ClusterNode];
    t.ok(serves(replica, lane));
    const again = await built.reserve(...[0, 1, 2].map((index) => request(lane, index)));
    t.same(again.map(idOf), told.map(idOf));
    t.match(await built.reserve(request(lane, 3)), [{ outcome: 'reserved', replayed: false }]);
    // The node comes back as a replica, and nothing is asked of it.
    await second.restart();
    await until('it follows', () => connections.of(lane).hasReplica, 30_000);
    t.equal(connections.all().length, 3);
    // A replica that has just come may hang for a moment. Then the answer is unknown, and the same key tells.
    // Any other answer throws.
    await built.reserveAll([request(lane, 4)]);
  },
);
