// Goal: the file of pick-ups has every page although order fails for a moment, and a file that has not does
// not end as a whole one would. Method: the real gateway over a real socket, before an order service of the
// test that refuses, cuts and hangs at the page that is told.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PickupPage } from '@seckill/contracts';
import t, { type Test } from 'tap';
import { linesOfPickups } from '../../src/pickups/pickup-file.ts';
import { Problem } from '@seckill/runtime';
import { startGateway, tokenOf } from '../support/gateway.ts';

const PAGES = 4;

const pageOf = (number: number): PickupPage => ({
  data: [{ orderId: `order-${number}`, userId: 'u1', code: '406228', lines: [{ sku: 'pear', quantity: 1 }] }],
  ...(number + 1 < PAGES ? { nextCursor: `page-${number + 1}` } : {}),
});

const send = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const FAILURES: Record<string, (response: ServerResponse) => void> = {
  'says that it is busy': (response) => {
    send(response, 503, { code: 'overloaded', status: 503 });
  },
  'cuts the connection': (response) => void response.destroy(),
  'does not answer': () => undefined,
};

/** Asks for the file. Order fails so often at the page of this number. */
async function ask(t: Test, failure: (response: ServerResponse) => void, times: number) {
  let failed = 0;
  const order = createServer((request, response) => {
    const cursor = new URL(request.url ?? '', 'http://order').searchParams.get('cursor') ?? 'page-0';
    const number = Number(cursor.slice('page-'.length));
    if (number === 2 && failed < times) {
      failed += 1;
      failure(response);
    } else send(response, 200, pageOf(number));
  });
  order.listen(0, '127.0.0.1');
  await once(order, 'listening');
  const gateway = await startGateway({
    ORDER_URL: `http://127.0.0.1:${(order.address() as AddressInfo).port}`,
    ORDER_TIMEOUT_MS: '200',
  });
  t.teardown(async () => {
    await gateway.stop();
    order.closeAllConnections();
    order.close();
  });
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const answer = await fetch(`${url}/v1/sales/pears/pickups?format=csv`, {
    headers: { authorization: `Bearer ${await tokenOf('op', 'sale:admin')}` },
  });
  return { answer, failures: () => failed };
}

await t.test('a moment in which order fails leaves no gap in the file', async (t) => {
  for (const [name, failure] of Object.entries(FAILURES)) {
    const { answer, failures } = await ask(t, failure, 2);
    const text = await answer.text();
    t.equal(failures(), 2, name);
    t.same(text.match(/order-\d/g), ['order-0', 'order-1', 'order-2', 'order-3'], name);
  }
});

await t.test('a file that broke off does not end as a whole one', async (t) => {
  // This word of order is no hiccup, so nothing is waited for.
  const { answer, failures } = await ask(
    t,
    (response) => {
      send(response, 404, { code: 'sale_not_found', status: 404 });
    },
    Infinity,
  );
  t.equal(answer.status, 200, 'the first pages were there');
  await t.rejects(answer.text(), 'the client is told');
  t.equal(failures(), 1);
});

await t.test('a page is read again for a bounded time, and not for nobody', async (t) => {
  const build = () => {
    const gone = new AbortController();
    const seen = { nowMs: 0, reads: 0, told: 0 };
    const lines = linesOfPickups(pageOf(0), {
      read: async () => {
        seen.reads += 1;
        // As long as the gateway waits for order.
        seen.nowMs += 2_000;
        throw new Problem('overloaded');
      },
      clock: {
        now: () => seen.nowMs,
        sleep: async (ms) => {
          seen.nowMs += ms;
        },
      },
      logger: {
        warn: () => {
          seen.told += 1;
        },
      },
      signal: gone.signal,
    });
    return { gone, seen, lines };
  };
  const { seen, lines } = build();
  await lines.next();
  await lines.next();
  await t.rejects(lines.next(), { code: 'overloaded' });
  t.ok(seen.reads > 3 && seen.nowMs < 16_000, `${seen.reads} reads in ${Math.round(seen.nowMs)} ms`);

  t.equal(seen.told, 1, 'and told');

  const left = build();
  await left.lines.next();
  await left.lines.next();
  left.gone.abort();
  await t.rejects(left.lines.next(), { code: 'overloaded' });
  t.match(left.seen, { reads: 1, told: 0 }, 'the reader left');
});
