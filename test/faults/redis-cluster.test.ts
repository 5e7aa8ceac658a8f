// Goal: on a Redis Cluster sales of different nodes sell at once; a node that dies under the rush, and a slot
// that moves under it, close their own sales only, cost no promise and sell nothing twice (INV-1 to INV-6).
// Method: three primaries with a replica each, a sale on each, crowds that buy, pay and cancel; SIGKILL, and
// a slot moved key by key. Late money takes its units again while both befall its sale.
import { slotOf } from '@seckill/runtime';
import { moveSlot, startRedisCluster, type ClusterNode } from '@seckill/stack';
import t, { type Test } from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, laneState, openSale, startRush, untilMore, untilOpen } from '../support/aftermath.ts';
import { takeAgain } from '../support/late-money.ts';
import type { Rush } from '../support/rush.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const cluster = await startRedisCluster(`faults-cluster-${process.pid}`);
t.teardown(() => cluster.stop());
const { primaries } = cluster;
const seed = primaries[2] as ClusterNode;
const client = await buildStack(t, 'redis-cluster', { REDIS_CLUSTER: 'true' }, { REDIS_URL: seed.url });
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());

const slotOfSale = (saleId: string): number => slotOf(`${saleId}:0`);

/** A name whose lane lives on this node. The cluster was formed with a third of the slots for each node. */
function nameOn(node: number, prefix: string): string {
  for (let number = 1; ; number += 1) {
    const name = `${prefix}-${number}`;
    const share = (slotOfSale(name) * primaries.length) / 16_384;
    if (share > node + 0.01 && share < node + 0.99) return name;
  }
}

async function epochOf(saleId: string): Promise<number> {
  return (await laneState(client, saleId))?.epoch ?? 0;
}

/** Counts the reservations that the gateways answered from memory. */
async function countFromMemory(): Promise<number> {
  const text = await (await fetch(stack.info.metrics.gateway)).text();
  const lines = text.matchAll(/^seckill_gateway_memory_answers_total\{outcome="sold_out"\} (\d+)/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function reserve(saleId: string, userId: string): Promise<string> {
  const answer = await client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token(userId),
    key: userId,
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
  return answer.status === 201 ? 'reserved' : String(answer.body['code']);
}

/**
 * Waits until the sale is sold out, and is told so from memory by the clock of the node that has the sale.
 */
async function sellOut(t: Test, saleId: string): Promise<void> {
  await openSale(client, saleId, {
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 1 }],
  });
  t.equal(await reserve(saleId, 'first'), 'reserved');
  const before = await countFromMemory();
  await until(`${saleId} is answered from memory`, async () => {
    t.equal(await reserve(saleId, 'late'), 'sold_out');
    return (await countFromMemory()) > before;
  });
}

const rushes: Rush[] = [];
const names = primaries.map((_node, index) => nameOn(index, 'rush'));

await t.test('sales of three nodes sell at once', async (t) => {
  rushes.push(
    ...(await Promise.all(
      names.map((saleId) => startRush({ client, engines, saleId, random, shoppers: 4 })),
    )),
  );
  await Promise.all(rushes.map((rush) => untilMore(rush, 20)));
  t.same(await Promise.all(names.map(epochOf)), [1, 1, 1]);
});

await t.test('one node is killed: its sale opens on the replica, the others sell on', async (t) => {
  const [first, hit, third] = rushes as [Rush, Rush, Rush];
  await primaries[1]?.kill();
  await Promise.all([untilMore(first, 20), untilMore(third, 20)]);
  t.not((await laneState(client, hit.saleId))?.gate, 'open', 'while the one is closed');
  await untilOpen(client, hit.saleId, 1);
  await untilMore(hit, 20);
  t.same([await epochOf(first.saleId), await epochOf(third.saleId)], [1, 1], 'nothing of theirs was loaded');
  await primaries[1]?.restart();
});

await t.test('a slot moves under the rush: its sale is loaded where it is now', async (t) => {
  const [moved, , third] = rushes as [Rush, Rush, Rush];
  const [from, , to] = primaries as [ClusterNode, ClusterNode, ClusterNode];
  await moveSlot({ slot: slotOfSale(moved.saleId), from, to });
  await untilOpen(client, moved.saleId, 1);
  await untilMore(moved, 20);
  t.equal(await epochOf(third.saleId), 1, 'the other sale of its new node is left alone');
});

await t.test('each buyer who was told 201 finds the order, and nothing is sold twice', async (t) => {
  await Promise.all(rushes.map((rush) => rush.stop()));
  for (const rush of rushes) await judgeRush(t, { client, engines, rush });
});

await t.test('"sold out" is told from memory, whichever node has the sale', async (t) => {
  for (const [index] of primaries.entries()) await sellOut(t, nameOn(index, 'tiny'));
});

await t.test('late money takes its units again, while its slot moves and its node dies', async (t) => {
  const [first, , third] = primaries as [ClusterNode, ClusterNode, ClusterNode];
  const quiet = nameOn(0, 'late');
  const moved = nameOn(2, 'late-moved');
  const killed = nameOn(0, 'late-killed');
  const move = () => moveSlot({ slot: slotOfSale(moved), from: third, to: first });
  await takeAgain(t, client, { saleId: quiet, fault: async () => undefined });
  await takeAgain(t, client, { saleId: moved, fault: move });
  await takeAgain(t, client, { saleId: killed, fault: () => first.kill() });
  await first.restart();
});
