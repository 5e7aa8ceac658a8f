// Goal: what nobody saw is told as unknown, never as 0, and never as met.
// Method: the probe on a reader that finds no row, which stands for an intake that stores nothing.
import t from 'tap';
import type { EngineReader } from '../../src/engines/engines.ts';
import type { LoadResult } from '../../src/generator/generator-process.ts';
import { OrderLagProbe } from '../../src/measure/order-lag.ts';
import { judgeThresholds } from '../../src/measure/thresholds.ts';

void t.test('orders whose rows never came have no lag, and no limit of a lag is met', async (t) => {
  const probe = new OrderLagProbe({ storedOf: () => Promise.resolve([]) } as unknown as EngineReader);
  probe.measure(true);
  probe.add('sale.0.order', Number(process.hrtime.bigint()) / 1e6);
  const lag = await probe.finish(30);
  t.same(lag, { count: 0, p50: null, p99: null, max: null, missing: 1 });
  const load = {
    window: { answered: 1, accepted: 1, outcomes: { reserved: 1 } },
    latency: { all: { p99: 1 } },
  };
  const [, judged] = judgeThresholds({ orderLagP99Ms: 400 }, load as unknown as LoadResult, 0, lag);
  t.match(judged, { name: 'order_lag_p99_ms', value: Infinity, met: false });
});
