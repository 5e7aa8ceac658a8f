import { createRegistry, systemClock, type Http, type Pool } from '@seckill/runtime';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import { liftEpochs } from '../../src/recovery/epochs.ts';
import { ControlSync } from '../../src/sales/control-sync.ts';
import { LedgerReader } from '../../src/audit/ledger-reading.ts';
import { createMetrics, type OrderMetrics } from '../../src/metrics.ts';
import { Orders } from '../../src/orders/orders.ts';
import { Payments } from '../../src/payments/payments.ts';
import { Recovery } from '../../src/recovery/recovery.ts';
import { storeRestock } from '../../src/sales/restock-store.ts';
import { SaleStore } from '../../src/sales/sale-store.ts';
import { Sales } from '../../src/sales/sales.ts';
import { createStockClient } from '../../src/stock-client.ts';
import { logger } from './build.ts';
import { TOKENS } from './stock.ts';

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Service {
  app: Http;
  url: string;
  metrics: OrderMetrics;
  /** A call of the gateway, or of stock for internal paths, unless another token is given. */
  call: (
    method: 'GET' | 'POST',
    path: string,
    options?: {
      body?: unknown;
      userId?: string;
      token?: string | null;
      headers?: Record<string, string>;
    },
  ) => Promise<Answer>;
}

/** The `http` role as main.ts assembles it, listening on a free port, closed at the end of the test. */
export async function createService(
  t: Test,
  pool: Pool,
  stockUrl: string,
  options: { isSandbox?: boolean } = {},
): Promise<Service> {
  const store = new SaleStore(pool);
  const stock = createStockClient({ url: stockUrl, token: TOKENS.order, connections: 4 });
  const metrics = createMetrics(createRegistry());
  const controlSync = new ControlSync({
    store,
    liftEpochs: (seen) => liftEpochs(pool, seen),
    stock,
    clock: systemClock,
    logger,
    metrics,
  });
  const abort = new AbortController();
  const running = controlSync.run(abort.signal);
  const sales = new Sales({
    store,
    storeRestock: (restock) => storeRestock(pool, restock),
    wake: (saleId) => {
      controlSync.wake(saleId);
    },
    clock: systemClock,
  });
  const deps = { pool, wake: () => undefined, logger, metrics };
  const app = createApp({
    logger,
    isReady: () => true,
    tokens: TOKENS,
    api: {
      sales,
      recovery: new Recovery({ pool, store, clock: systemClock }),
      ledger: new LedgerReader(pool, { graceMs: 500 }),
      orders: new Orders(deps),
      payments: new Payments(deps),
      isSandbox: options.isSandbox ?? true,
    },
  });
  t.teardown(async () => {
    await app.close();
    abort.abort();
    await running;
    await stock.close();
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    app,
    url,
    metrics,
    async call(method, path, { body, userId, token, headers } = {}) {
      const own = path.startsWith('/internal/') ? TOKENS.stock : TOKENS.gateway;
      const response = await app.inject({
        method,
        url: path,
        headers: {
          ...headers,
          ...(token === null ? {} : { authorization: `Bearer ${token ?? own}` }),
          ...(userId === undefined ? {} : { 'x-user-id': userId }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      });
      return { status: response.statusCode, body: response.json() };
    },
  };
}
