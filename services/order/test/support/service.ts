import { createRegistry, createRequestSeconds, type Http, type Pool } from '@seckill/runtime';
import { connectKafka, silent } from '@seckill/testing';
import type { Test } from 'tap';
import { assembleApi } from '../../src/api.ts';
import { createApp } from '../../src/app.ts';
import { createStockClient } from '../../src/stock-client.ts';
import { createTestMetrics, type TestMetrics } from './build.ts';
import { TOKENS } from './stock.ts';

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Service {
  app: Http;
  url: string;
  metrics: TestMetrics;
  /** Calls as the gateway, or as stock on internal paths, unless another token is given. */
  call: (
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
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
  options: { isSandbox?: boolean; webhookAllowPrivate?: boolean; reportPool?: Pool } = {},
): Promise<Service> {
  const stock = createStockClient({ url: stockUrl, token: TOKENS.order, connections: 4 });
  const metrics = createTestMetrics();
  const closers: (() => Promise<unknown>)[] = [];
  const lifecycle = {
    onStop: (_name: string, close: () => Promise<unknown>) => closers.unshift(close),
    // Nothing handles this rejection, so the test fails by it.
    fail: (error: unknown) => void Promise.reject(error instanceof Error ? error : new Error(String(error))),
  };
  const api = assembleApi({
    pool,
    reportPool: options.reportPool ?? pool,
    stock,
    kafka: connectKafka('order-test'),
    logger: silent,
    lifecycle,
    metrics,
    wake: () => undefined,
    graceMs: 500,
    isSandbox: options.isSandbox ?? true,
    webhookAllowPrivate: options.webhookAllowPrivate ?? false,
  });
  const app = createApp({
    logger: silent,
    isReady: () => true,
    requestSeconds: createRequestSeconds(createRegistry(), 'order'),
    tokens: TOKENS,
    api,
  });
  t.teardown(async () => {
    await app.close();
    for (const close of closers) await close();
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
      return { status: response.statusCode, body: response.body === '' ? {} : response.json() };
    },
  };
}
