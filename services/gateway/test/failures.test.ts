// Goal: when stock or order fail, a buyer hears exactly as much as is known (D14): "unknown, same key" where
// units may have been taken, "not ready" where nothing happened. Method: the real app and real sockets; stock
// and order are small servers that refuse, hang, cut and err, which the real ones only do by accident.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import standardwebhooks from 'standardwebhooks';
import t, { type Test } from 'tap';
import { startGateway, tokenOf, type TestGateway } from './support/gateway.ts';

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

const ORDER_ID = 'oranges.0.abcdefghijklmnopqrstuv';

const hang: Behaviour = () => undefined;
const cut: Behaviour = (request) => void request.socket.destroy();
const answer =
  (status: number, body: unknown): Behaviour =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
const problem = (status: number, code: string, extra: object = {}) =>
  answer(status, { code, status, ...extra });
/** An address at which nobody listens. */
const refuse = undefined;

async function listen(t: Test, behaviour: Behaviour | undefined): Promise<string> {
  const server = createServer((request, response) => {
    behaviour?.(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  if (behaviour === undefined) server.close();
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${port}`;
}

/** Order tells Postgres' clock whatever else it does: a change reads the clock before it is sent. */
const withClock = (behaviour: Behaviour | undefined): Behaviour | undefined =>
  behaviour &&
  ((request, response) => {
    if (request.url === '/v1/clock') answer(200, { now: Date.now() })(request, response);
    else behaviour(request, response);
  });

interface Behaviours {
  stock?: Behaviour | undefined;
  order?: Behaviour | undefined;
}

async function start(
  t: Test,
  behaviours: Behaviours,
  environment: Record<string, string>,
): Promise<TestGateway> {
  const gateway = await startGateway({
    STOCK_URL: await listen(t, behaviours.stock),
    ORDER_URL: await listen(t, withClock(behaviours.order)),
    STOCK_TIMEOUT_MS: '200',
    ORDER_TIMEOUT_MS: '200',
    RESERVE_WAIT_MS: '200',
    ...environment,
  });
  t.teardown(() => gateway.stop());
  return gateway;
}

async function build(t: Test, behaviours: Behaviours, environment: Record<string, string> = {}) {
  const settings = { PAYMENTS: 'sandbox', RATE_LIMIT_USER_MAX: '1000', ...environment };
  const { app } = await start(t, behaviours, settings);
  const token = await tokenOf('u1');
  return async (method: 'GET' | 'POST', url: string) => {
    const response = await app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'k' },
      ...(url.endsWith('/reservations') ? { payload: { lines: [{ sku: 'a', quantity: 1 }] } } : {}),
    });
    const { code, retryable } = response.json<{ code?: string; retryable?: boolean }>();
    return { status: response.statusCode, code, retryable, retryAfter: response.headers['retry-after'] };
  };
}

await t.test('a reservation whose answer is lost is unknown; one that was never sent is not', async (t) => {
  const unknown = { status: 503, code: 'outcome_unknown', retryable: true, retryAfter: '2' };
  const unavailable = { status: 503, code: 'sale_unavailable', retryable: true, retryAfter: '1' };
  const cases: [string, Behaviour | undefined, object][] = [
    ['stock refuses the connection', refuse, unavailable],
    ['stock hangs', hang, unknown],
    ['stock cuts the connection', cut, unknown],
    ['stock errs', problem(500, 'internal'), unknown],
    ['stock is draining', problem(503, 'sale_unavailable'), unknown],
    ['stock answers nothing', answer(200, []), unknown],
    ['Redis took too long', answer(200, [{ outcome: 'outcome_unknown' }]), unknown],
    ['the gate is closed', answer(200, [{ outcome: 'sale_unavailable', missing: false }]), unavailable],
    [
      'the outbox is full',
      answer(200, [{ outcome: 'overloaded' }]),
      { status: 503, code: 'overloaded', retryAfter: '1' },
    ],
    [
      'our credential is refused',
      problem(403, 'forbidden'),
      { status: 500, code: 'internal', retryable: false },
    ],
  ];
  for (const [name, stock, expected] of cases) {
    const send = await build(t, { stock, order: problem(404, 'sale_not_found') });
    t.match(await send('POST', '/v1/sales/oranges/reservations'), expected, name);
  }
});

await t.test('only order says that there is no such sale', async (t) => {
  const stock = answer(200, [{ outcome: 'sale_unavailable', missing: true }]);
  const ask = async (order: Behaviour | undefined) =>
    (await build(t, { stock, order }))('POST', '/v1/sales/oranges/reservations');
  t.match(await ask(problem(404, 'sale_not_found')), { status: 404, code: 'sale_not_found' });
  t.match(await ask(answer(200, { definition: {}, acknowledged: false })), {
    status: 503,
    code: 'sale_unavailable',
  });
  t.match(await ask(refuse), { status: 503, code: 'overloaded' });
});

await t.test('an order that is not stored yet is not ready, and never missing, for its owner', async (t) => {
  const hold = (userId: string) =>
    answer(200, { userId, reservation: { id: ORDER_ID, userId, status: 'pending' } });
  const noRow = problem(404, 'order_not_found');
  for (const verb of ['cancel', 'pay']) {
    const url = `/v1/orders/${ORDER_ID}/${verb}`;
    const ask = async (stock: Behaviour, behaviours: { order?: Behaviour | undefined } = { order: noRow }) =>
      (await build(t, { stock, ...behaviours }))('POST', url);
    // The gateway looks many times within two seconds. On a busy machine one of these looks may take longer
    // than the short time-out that the other tests have.
    const patient = await build(t, { stock: hold('u1'), order: noRow }, { ORDER_TIMEOUT_MS: '2000' });
    t.match(
      await patient('POST', url),
      { status: 503, code: 'order_not_ready', retryable: true, retryAfter: '1' },
      verb,
    );
    t.match(await ask(hold('u2')), { status: 404, code: 'order_not_found' }, `${verb} by a stranger`);
    t.match(await ask(problem(404, 'order_not_found')), { status: 404, code: 'order_not_found' });
    t.match(await ask(hang), { status: 503, code: 'order_not_ready' }, 'stock cannot be asked');
    t.match(await ask(problem(503, 'sale_unavailable')), { status: 503, code: 'order_not_ready' });
    t.match(
      await ask(hold('u1'), { order: hang }),
      { status: 503, code: 'outcome_unknown' },
      'it may have been done',
    );
    t.match(await ask(hold('u1'), { order: refuse }), { status: 503, code: 'overloaded' }, 'surely not done');
    t.match(await ask(hold('u1'), { order: problem(409, 'order_not_pending', { orderStatus: 'paid' }) }), {
      status: 409,
      code: 'order_not_pending',
    });
    t.match(
      await ask(hold('u1'), { order: problem(404, 'not_found') }),
      { status: 404, code: 'not_found' },
      'no such route',
    );
  }
});

await t.test(
  'an order without row and hold is not missing while its lane is checked or rebuilt',
  async (t) => {
    const record = { definition: { id: 'oranges' }, version: 1, state: 'open', acknowledged: true };
    const retired = { asOf: '', items: [] };
    const ask = async (gate: string, sale: Behaviour) => {
      const send = await build(t, {
        stock: (request, response) => {
          const isHold = request.url?.startsWith('/internal/holds/') === true;
          (isHold ? problem(404, 'order_not_found') : answer(200, { gate, items: [] }))(request, response);
        },
        order: (request, response) => {
          const isOrder = request.url?.startsWith('/v1/orders/') === true;
          (isOrder ? problem(404, 'order_not_found') : sale)(request, response);
        },
      });
      const found = await send('GET', `/v1/orders/${ORDER_ID}`);
      t.match(await send('POST', `/v1/orders/${ORDER_ID}/cancel`), { code: found.code }, 'to a cancel too');
      return found;
    };
    const notReady = { status: 503, code: 'order_not_ready', retryAfter: '1' };
    const notFound = { status: 404, code: 'order_not_found' };
    t.match(await ask('missing', answer(200, record)), notReady, 'Redis was emptied');
    t.match(await ask('rebuilding', answer(200, record)), notReady, 'the lane is being loaded');
    t.match(await ask('open', answer(200, record)), notFound, 'everything promised is stored by then');
    t.match(await ask('missing', problem(404, 'sale_not_found')), notFound, 'nobody knows the sale');
    t.match(await ask('missing', answer(200, { ...record, retired })), notFound, 'the sale is retired');
  },
);

await t.test('reads that nobody can answer now are to be repeated', async (t) => {
  for (const order of [hang, refuse, cut]) {
    const send = await build(t, { stock: hang, order });
    const started = performance.now();
    for (const url of [`/v1/orders/${ORDER_ID}`, '/v1/orders', '/v1/sales/oranges']) {
      t.match(await send('GET', url), { status: 503, code: 'overloaded', retryable: true }, url);
    }
    t.ok(performance.now() - started < 3_000, 'soon');
  }
  const record = { definition: { id: 'oranges' }, version: 1, state: 'open', acknowledged: true };
  const send = await build(t, { stock: hang, order: answer(200, record) });
  t.match(await send('GET', '/v1/sales/oranges'), { status: 503, code: 'sale_unavailable' });
});

await t.test('a sale that Redis lost is unavailable, not all for sale', async (t) => {
  const record = { definition: { id: 'oranges' }, version: 1, state: 'open', acknowledged: true };
  const send = await build(t, {
    stock: answer(200, { gate: 'missing', items: [] }),
    order: answer(200, record),
  });
  t.match(await send('GET', '/v1/sales/oranges'), { status: 503, code: 'sale_unavailable' });
});

await t.test('notices are refused before they are read, and only unsigned ones are counted', async (t) => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const heard: string[] = [];
  const order: Behaviour = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      heard.push(Buffer.concat(chunks).toString());
      answer(200, { result: 'recorded' })(request, response);
    });
  };
  const { app } = await start(
    t,
    { stock: hang, order },
    { RATE_LIMIT_ADDRESS_MAX: '2', WEBHOOK_SECRETS: secret },
  );
  const send = async (payload: string, isSigned: boolean) => {
    const at = new Date();
    const response = await app.inject({
      method: 'POST',
      url: '/v1/payments/notifications',
      payload,
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'msg',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': isSigned
          ? new standardwebhooks.Webhook(secret).sign('msg', at, payload)
          : 'v1,x',
      },
    });
    return { status: response.statusCode, ...response.json<{ code?: string; result?: string }>() };
  };
  const notice = JSON.stringify({
    type: 'payment.succeeded',
    timestamp: 'now',
    data: { orderId: ORDER_ID, paymentId: 'p', amount: { amount: 1, currency: 'CNY' } },
  });
  for (let count = 0; count < 5; count += 1) {
    t.match(
      await send(notice, true),
      { status: 200, result: 'recorded' },
      'signed ones pass beyond the limit',
    );
  }
  heard.length = 0;
  for (const bytes of ['{"broken', '{"type":"payment.succeeded"}']) {
    t.match(await send(bytes, true), { status: 200 }, 'what is signed is money: order has to read it');
  }
  t.same(heard, ['{"broken', '{"type":"payment.succeeded"}'], 'as it came');
  t.match(await send('{"broken', false), { status: 401, code: 'bad_signature' });
  t.match(await send(notice, false), { status: 401, code: 'bad_signature' });
  t.match(await send(notice, false), { status: 429, code: 'rate_limited' });
  t.equal(heard.length, 2, 'order hears of none that is not signed');
  t.match(await send(notice, true), { status: 200 }, 'and they hold up nobody who signs');
});

await t.test('a repeat hears the end that PostgreSQL knows and Redis does not yet', async (t) => {
  const reservation = { id: ORDER_ID, saleId: 'oranges', userId: 'u1' };
  const repeat = async (known: string, order: Behaviour | undefined) => {
    const replay = { outcome: 'reserved', replayed: true, orderStatus: known, reservation };
    const stock: Behaviour = (request, response) => {
      const isReserved = request.url?.includes('/reservations') === true;
      setTimeout(() => {
        answer(200, isReserved ? [replay] : {})(request, response);
      }, 50);
    };
    const { app } = await start(t, { stock, order }, { ORDER_TIMEOUT_MS: '5000', RESERVE_WAIT_MS: '2000' });
    const startedAt = performance.now();
    const authorization = `Bearer ${await tokenOf('u1')}`;
    // The second is answered with the first, since both are under way at once.
    const [response, other] = await Promise.all(
      [0, 1].map(() =>
        app.inject({
          method: 'POST',
          url: '/v1/sales/oranges/reservations',
          headers: { authorization, 'idempotency-key': 'k' },
          payload: { lines: [{ sku: 'a', quantity: 1 }] },
        }),
      ),
    );
    t.equal(response?.statusCode, 201);
    t.equal(response?.headers['order-status'], other?.headers['order-status'], 'both hear the same');
    t.ok(performance.now() - startedAt < 2_000, 'the wait is short');
    return response?.headers['order-status'];
  };
  const says = (status: string) => answer(200, { id: ORDER_ID, status });
  t.equal(await repeat('pending', says('paid')), 'paid');
  t.equal(await repeat('pending', says('expired')), 'expired');
  t.equal(await repeat('expired', says('paid')), 'paid', 'late money');
  t.equal(await repeat('expired', says('pending')), 'expired');
  t.equal(await repeat('cancelled', hang), 'cancelled', 'nobody is asked');
  for (const away of [hang, cut, refuse, problem(404, 'order_not_found'), problem(503, 'overloaded')]) {
    t.equal(await repeat('pending', away), 'pending', 'what Redis says, as long as nobody knows better');
  }
});
