/** What is answered while a service is away, does not answer, or does not believe the gateway. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { request } from 'undici';
import { forwardTcp } from '@seckill/testing';
import { PLACE, type Call } from './calls.ts';
import type { Deps } from './refusals.ts';

/** Changes that are confirmed by stock. */
const CONFIRMED = new Set([
  ...['createSale', 'changeSale', 'pauseSale', 'resumeSale', 'closeSale'],
  ...['pauseItem', 'resumeItem', 'restockItem', 'adjustItem'],
]);

/** Stock is killed, so that order can tell it of no change, and started again. */
export async function provokeUnconfirmed({ system, recorder, good, operations }: Deps): Promise<void> {
  await system.stack.kill('stock');
  const changes: Record<string, Call> = {
    createSale: {
      body: {
        id: 'pears-unheard',
        title: 'Pears',
        closesAt: '2030-01-01T00:00:00Z',
        items: [{ sku: PLACE.sku, title: 'P', price: { amount: 1990, currency: 'CNY' }, total: 10 }],
      },
    },
    closeSale: { at: { ...PLACE, saleId: 'pears-paused' } },
  };
  await Promise.all(
    operations
      .filter(({ id }) => CONFIRMED.has(id))
      .map((operation) =>
        recorder.insist(operation.id, { ...good.callOf(operation), ...changes[operation.id] }, [
          'outcome_unknown',
        ]),
      ),
  );
  await system.stack.restart('stock');
}

/**
 * A server before order that passes on what only reads, and answers no change. A gateway behind it can read
 * order's clock, as it does before every change, and never hears what became of the change. @returns the
 * server's URL.
 */
async function hearsOnlyReadings(t: Test, target: string): Promise<string> {
  const server = createServer((incoming, response) => {
    if (incoming.method !== 'GET') return;
    const headers = { authorization: incoming.headers.authorization };
    request(`${target}${incoming.url ?? ''}`, { headers })
      .then(async ({ statusCode, body }) => {
        const text = await body.text();
        response.writeHead(statusCode, { 'content-type': 'application/json' }).end(text);
      })
      .catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Provokes errors with gateways of their own, behind which an engine or a service is away or answers
 * wrongly.
 */
export async function provokeOutages(t: Test, { system, recorder, good, operations }: Deps): Promise<void> {
  const { info } = system.stack;
  const stock = await forwardTcp(t, info.stock);
  stock.swallow();
  const orderUrl = await hearsOnlyReadings(t, info.order);
  const thatMay = (code: string) =>
    operations.filter(({ responses }) => JSON.stringify(responses).includes(`"${code}"`)).map(({ id }) => id);
  const gateways: { name: string; env: Record<string, string>; ids: string[]; codes: string[] }[] = [
    {
      name: 'without-stock',
      env: { STOCK_URL: 'http://127.0.0.1:9' },
      ids: [...thatMay('sale_unavailable'), ...thatMay('order_not_ready')],
      codes: ['sale_unavailable', 'order_not_ready'],
    },
    {
      name: 'unanswered',
      env: { STOCK_URL: stock.url, ORDER_URL: orderUrl, STOCK_TIMEOUT_MS: '300', ORDER_TIMEOUT_MS: '300' },
      ids: thatMay('outcome_unknown').filter((id) => !CONFIRMED.has(id)),
      codes: ['outcome_unknown'],
    },
    {
      name: 'stranger',
      env: { GATEWAY_TOKEN: 'of-another-installation-0123456789abcdef' },
      ids: operations.map(({ id }) => id).filter((id) => id !== 'getContract'),
      codes: ['internal'],
    },
  ];
  await Promise.all(
    gateways.map(async ({ name, env, ids, codes }) => {
      const { url, child } = await system.stack.startProcess({
        service: 'gateway',
        name: `gateway-${name}`,
        env: { DRAIN_MS: '0', ...env },
      });
      const asked = operations.filter(({ id }) => ids.includes(id));
      await Promise.all(
        asked.map((operation) =>
          recorder.insist(operation.id, { ...good.callOf(operation), baseUrl: url }, codes),
        ),
      );
      await child.stop();
    }),
  );
}
