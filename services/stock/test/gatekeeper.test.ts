/**
 * Goal: a healthy lane is never closed because buyers were answered while Redis was asked about it. Method: the
 * gatekeeper itself, with a gate whose answer is overtaken by an acknowledgement, as happens under load.
 */
import { createLogger, createRegistry, systemClock } from '@seckill/runtime';
import { test } from 'tap';
import { Acknowledged } from '../src/acknowledged.ts';
import { Gatekeeper, type GatekeeperOptions } from '../src/gatekeeper.ts';
import { createGateMetrics } from '../src/metrics.ts';

const lane = { saleId: 'pears', lane: 0 };

/** Runs a few rounds; says how often the lane was opened again. */
async function watch(acknowledged: Acknowledged, onCount: () => void): Promise<number> {
  let opened = 0;
  let rounds = 0;
  const stop = new AbortController();
  const options: Pick<GatekeeperOptions, 'gate' | 'orderClient'> = {
    gate: {
      open: async () => {
        opened += 1;
      },
      count: async () => {
        onCount();
        rounds += 1;
        if (rounds === 2) stop.abort();
        return { gate: 'open', isLoaded: true, epoch: 1, sequence: 7 } as never;
      },
    },
    orderClient: {
      listSales: async () => [{ saleId: 'pears', lanes: [{ lane: 0 }], mayRetire: false }] as never,
    },
  };
  await new Gatekeeper({
    ...options,
    connection: { runId: 'r' },
    acknowledged,
    clock: systemClock,
    random: () => 0,
    logger: createLogger('stock', 'silent'),
    metrics: createGateMetrics(createRegistry()),
  }).run(stop.signal);
  return opened;
}

await test('what is acknowledged while Redis is asked is not missing in its answer', async (t) => {
  const acknowledged = new Acknowledged();
  acknowledged.note(lane, { epoch: 1, sequence: 7 });
  const opened = await watch(acknowledged, () => {
    acknowledged.note(lane, { epoch: 1, sequence: 9 });
  });
  t.equal(
    opened,
    1,
    'only in the second round, before which it had been acknowledged and Redis still says 7',
  );
});

await test('a lane that lacks what was acknowledged before is opened anew', async (t) => {
  const acknowledged = new Acknowledged();
  acknowledged.note(lane, { epoch: 1, sequence: 8 });
  t.ok((await watch(acknowledged, () => undefined)) > 0);
});
