/** What is answered while a service is away, does not answer, or does not believe the gateway. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
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

/** Enough for those calls that are answered, on a busy machine too. */
const TIMEOUT_MS = '1500';

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
 * A server before another that passes on some calls, and answers no others. A gateway behind it hears half
 * of what it asks. @returns the server's URL.
 */
async function hearsOnly(
  t: Test,
  target: string,
  isHeard: (call: IncomingMessage) => boolean,
): Promise<string> {
  const server = createServer((incoming, response) => {
    if (!isHeard(incoming)) return;
    const headers = { authorization: incoming.headers.authorization };
    request(`${target}${incoming.url ?? ''}`, { headers })
      .then(async ({ statusCode, headers: { 'content-type': type }, body }) => {
        const text = await body.text();
        response.writeHead(statusCode, { 'content-type': type ?? 'text/plain' }).end(text);
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
  // A gateway reads order's clock before every change, and never hears what became of the change.
  const orderUrl = await hearsOnly(t, info.order, ({ method }) => method === 'GET');
  // Stock tells that it has no such hold, and is gone when it is asked for the lane.
  const holdsUrl = await hearsOnly(t, info.stock, ({ url }) => url?.startsWith('/internal/holds/') === true);
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
      name: 'half-answered',
      env: { STOCK_URL: holdsUrl, STOCK_TIMEOUT_MS: TIMEOUT_MS },
      ids: ['getOrder', 'cancelOrder', 'payOrder', 'returnLines', 'moveOrder'],
      codes: ['sale_unavailable'],
    },
    {
      name: 'unanswered',
      env: {
        STOCK_URL: stock.url,
        ORDER_URL: orderUrl,
        STOCK_TIMEOUT_MS: TIMEOUT_MS,
        ORDER_TIMEOUT_MS: TIMEOUT_MS,
      },
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
