import { freePorts, startChild, type Child, type ChildOptions } from '@seckill/stack';
import type { Test } from 'tap';
import { TOKENS } from './order.ts';

export interface StockProcess {
  child: Child;
  url: string;
  metricsUrl: string;
}

/** `node dist/main.js` as it is deployed; ends with the test. */
export async function startStock(
  t: Test,
  env: Record<string, string | undefined>,
  output: ChildOptions['output'] = 'inherit',
): Promise<StockProcess> {
  const [port = 0, metricsPort = 0] = await freePorts(2);
  const child = await startChild({
    name: 'stock',
    command: process.execPath,
    args: [new URL('../../dist/main.js', import.meta.url).pathname],
    env: {
      ...process.env,
      STOCK_TOKEN: TOKENS.stock,
      GATEWAY_TOKEN: TOKENS.gateway,
      ORDER_TOKEN: TOKENS.order,
      HOST: '127.0.0.1',
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'silent',
      DRAIN_MS: '0',
      ...env,
    },
    output,
  });
  t.teardown(() => child.stop());
  return { child, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
}
