import { createRegistry, systemClock, type Http, type Pool } from '@seckill/runtime';
import type { Test } from 'tap';
import { createApp } from '../../src/app.ts';
import { Handover } from '../../src/handover.ts';
import { createMetrics } from '../../src/metrics.ts';
import { Orders } from '../../src/orders.ts';
import { SaleStore } from '../../src/sale-store.ts';
import { Sales } from '../../src/sales.ts';
import { createStockClient } from '../../src/stock-client.ts';
import { logger } from './parts.ts';
import { TOKENS } from './stock.ts';

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Service {
  app: Http;
  url: string;
  /** A call of the gateway, or of stock for internal paths, unless another token is given. */
  call: (
    method: 'GET' | 'POST',
    path: string,
    options?: { body?: unknown; userId?: string; token?: string | null },
  ) => Promise<Answer>;
}

/** The `http` role as main.ts assembles it, listening on a free port, closed at the end of the test. */
export async function createService(t: Test, pool: Pool, stockUrl: string): Promise<Service> {
  const store = new SaleStore(pool);
  const stock = createStockClient({ url: stockUrl, token: TOKENS.order, connections: 4 });
  const metrics = createMetrics(createRegistry());
  const handover = new Handover({ store, stock, clock: systemClock, logger, metrics });
  const abort = new AbortController();
  const running = handover.run(abort.signal);
  const poke = (saleId: string) => {
    handover.poke(saleId);
  };
  const sales = new Sales({ store, poke, clock: systemClock });
  const app = createApp({
    logger,
    isReady: () => true,
    tokens: TOKENS,
    api: { sales, orders: new Orders(pool) },
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
    async call(method, path, { body, userId, token } = {}) {
      const own = path.startsWith('/internal/') ? TOKENS.stock : TOKENS.gateway;
      const response = await app.inject({
        method,
        url: path,
        headers: {
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
