// Goal: INV-1 to INV-6 survive SIGKILL of order and of stock (its relay included) while a crowd buys.
// Method: the whole system, a seeded crowd that repeats its keys, kills at fixed moments, then the demo's own
// audit.
import t from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { planCrowd } from '../../bench/src/demo/buyers.ts';
import { runCrowd } from '../../bench/src/demo/crowd.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { History } from '../../bench/src/audit/history.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver, WayIn } from '../../bench/src/demo/way-in.ts';
import { seededRandom } from '../../bench/src/random.ts';
import type { Scenario } from '../../bench/src/scenarios/scenario.ts';
import { watchTotals } from '../../bench/src/audit/watch.ts';
import { buildStack, until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const TOTAL = 900;
/** A provider goes on for hours. Here order is away for longer than the demo's provider waits. */
const NOTICES_MAX = 120;

const scenario: Scenario = {
  windowSeconds: 600,
  crowding: 2,
  sale: {
    id: 'under-fire',
    title: 'Under fire',
    limitPerBuyer: 2,
    holdSeconds: 8,
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: TOTAL }],
    channels: [
      { id: 'capped', kind: 'community', title: 'Capped', cap: 50 },
      { id: 'free', kind: 'content', title: 'Free' },
    ],
  },
};

async function taken(engines: EngineReader): Promise<number> {
  const items = await engines.items(scenario.sale.id);
  return items.reduce((sum, { held, paid }) => sum + held + paid, 0);
}

await t.test(`order and stock are killed in the middle of a sale (seed ${SEED})`, async (t) => {
  const client = await buildStack(t, 'crash');
  const { stack } = client;
  const engines = new EngineReader(stack.info);
  t.teardown(() => engines.close());

  const opensAt = Date.now();
  const created = await client.send({
    method: 'POST',
    path: '/v1/sales',
    token: await client.token('operator', true),
    body: { ...scenario.sale, closesAt: new Date(opensAt + 600_000).toISOString() },
  });
  t.equal(created.status, 201, created.text);

  const history = new History();
  const stopWatch = watchTotals(engines, [scenario.sale.id]);
  // Without order no checkout ends, and the selling is to go on.
  let isOrderThere = true;
  const wayIn = new WayIn(transportOver(client.http), 64, () => isOrderThere);
  const crowd = runCrowd({
    scenario,
    // Everyone keeps trying, so that no unit is left over, whatever the kills did to payments.
    buyers: planCrowd(scenario, TOTAL * scenario.crowding, seededRandom(SEED)).map((buyer) => ({
      ...buyer,
      isPatient: true,
    })),
    opensAt: Date.now(),
    wayIn,
    provider: new Provider(wayIn.checkout, stack.info.webhookSecret, NOTICES_MAX),
    history,
    signal: new AbortController().signal,
    tokenOf: (userId) => client.token(userId),
  });
  // The kills come by progress and not by time, because a kill that does not fall into the selling shows
  // nothing.
  await until('the sale has begun', async () => (await taken(engines)) > 0);
  isOrderThere = false;
  await stack.kill('order');
  await stack.kill('stock');
  t.ok((await taken(engines)) < TOTAL, 'units were left at the first kill');
  await stack.restart('stock');
  await until('selling goes on without order', async () => (await taken(engines)) > TOTAL / 2);
  await stack.kill('stock');
  t.ok((await taken(engines)) < TOTAL, 'units were left at the second kill');
  await stack.restart('stock');
  await stack.restart('order');
  isOrderThere = true;
  await crowd;

  const reading = await readSettled(engines, [scenario.sale.id], 60_000);
  const watched = await stopWatch();
  t.same([...watched.findings, ...judge(reading, history)], [], 'every invariant holds');
  t.same(history.unresolved, [], 'every buyer heard a definite answer in the end');
  t.ok(
    (history.rejected.get(scenario.sale.id)?.get('outcome_unknown') ?? 0) +
      (history.rejected.get(scenario.sale.id)?.get('sale_unavailable') ?? 0) >
      0,
    'the kills were felt',
  );
  const paid = reading.sales[0]?.lane.items.reduce((sum, item) => sum + item.paid, 0);
  t.equal(paid, TOTAL, 'every unit ended paid, those of unpaid holds after they came back (INV-5)');
});
