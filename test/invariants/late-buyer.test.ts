// Goal: the demo's crowd loses no buyer to a slow machine. Who paid after the hold's end gets the money back,
// comes again and pays in time, so that every unit ends paid (INV-5).
// Method: the whole system and one buyer; the provider's first notice waits until the unit is for sale again.
import t from 'tap';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { History } from '../../bench/src/audit/history.ts';
import { runCrowd } from '../../bench/src/demo/crowd.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver, WayIn } from '../../bench/src/demo/way-in.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'late-buyer');

await t.test('a buyer whose money came too late comes again', async (t) => {
  const id = 'late-buyer';
  await createSale(client, id, { items: [oneItem(1)], holdSeconds: 3 });
  const engines = new EngineReader(client.stack.info);
  t.teardown(() => engines.close());
  const history = new History();
  const wayIn = new WayIn(transportOver(client.http), 8);
  let isFirst = true;
  const provider = new Provider(async (request) => {
    if (isFirst) {
      isFirst = false;
      await until('the unit is for sale again', async () => (await engines.items(id))[0]?.available === 1);
    }
    return wayIn.checkout(request);
  }, client.stack.info.webhookSecret);
  await runCrowd({
    scenario: { sale: { id, title: 'Late', items: [] } },
    buyers: [
      {
        userId: 'late-buyer',
        habit: 'plain',
        intent: 'notice',
        isPatient: false,
        arrivesAtMs: 0,
        lines: [{ sku: 'a', quantity: 1 }],
      },
    ],
    opensAt: Date.now(),
    wayIn,
    provider,
    history,
    signal: new AbortController().signal,
    tokenOf: (userId) => client.token(userId),
  });
  t.ok(history.toldRefund.size > 0, 'the first money was late');
  t.equal(history.toldPaid.size, 1);
  const reading = await readSettled(engines, [id], 60_000);
  t.same(judge(reading, history), []);
  t.equal(reading.sales[0]?.lane.items[0]?.paid, 1);
});
