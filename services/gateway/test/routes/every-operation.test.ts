// Goal: no operation of the contract takes a member, a body or a query parameter that it does not know.
// Method: the real app on a real socket, asked for everything in openapi.json with a call that is good but
// for one thing. A small server in the place of order and stock counts what reaches it.
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { request } from 'undici';
import {
  BODIES,
  PLACE,
  readOperations,
  type Document,
  type Operation,
} from '../../../../test/client/problems/calls.ts';
import { startGateway, tokenOf } from '../support/gateway.ts';

const document = JSON.parse(
  readFileSync(new URL('../../../../openapi.json', import.meta.url), 'utf8'),
) as Document;
/** All but health, which takes whatever a probe carries. */
const all = readOperations(document);
/** All but notices of a provider, which are money: order keeps also what nobody understands. */
const operations = all.filter(({ id }) => id !== 'notifyPayment');
const [WRONG, KEY] = ['notKnownToAnyone', Buffer.alloc(32)];

const reached: string[] = [];
const engine = createServer(({ method, url }, response) => {
  // Before an operator's change the gateway asks order for the time, which changes nothing.
  if (url !== '/v1/clock') reached.push(`${method ?? ''} ${url ?? ''}`);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ now: Date.now() }));
});
engine.listen(0, '127.0.0.1');
await once(engine, 'listening');
const behind = `http://127.0.0.1:${(engine.address() as AddressInfo).port}`;
const gateway = await startGateway({
  ORDER_URL: behind,
  STOCK_URL: behind,
  PAYMENTS: 'sandbox',
  RATE_LIMIT_USER_MAX: '10000',
  RATE_LIMIT_ADDRESS_MAX: '10000',
  WEBHOOK_SECRETS: `whsec_${KEY.toString('base64')}`,
});
const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
t.teardown(async () => {
  await gateway.stop();
  engine.closeAllConnections();
  engine.close();
});
/** An operator, who may also buy. */
const authorization = `Bearer ${await tokenOf('u1', 'sale:admin')}`;

/** Sends what a good call of the operation sends, with another query or body. */
async function send(
  { method, path, id }: Operation,
  { query = '', body }: { query?: string; body?: unknown },
) {
  const place: Record<string, string> = PLACE;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const [notice, at] = [randomUUID(), String(Math.floor(Date.now() / 1_000))];
  const digest = createHmac('sha256', KEY)
    .update(`${notice}.${at}.${text ?? ''}`)
    .digest('base64');
  const signed = { 'webhook-id': notice, 'webhook-timestamp': at, 'webhook-signature': `v1,${digest}` };
  const answer = await request(
    `${url}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => place[name] ?? '')}${query}`,
    {
      method: method as 'GET',
      headers: {
        authorization,
        'idempotency-key': randomUUID(),
        ...(id === 'notifyPayment' ? signed : {}),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: text ?? null,
    },
  );
  return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
}

/** @returns copies of the value, each with an unknown member in one of its objects. */
function spoil(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  const deeper = Object.entries(value).flatMap(([name, member]) =>
    spoil(member).map((spoilt) =>
      Array.isArray(value)
        ? value.map((one: unknown, index) => (String(index) === name ? spoilt : one))
        : { ...value, [name]: spoilt },
    ),
  );
  return Array.isArray(value) ? deeper : [{ ...value, [WRONG]: 1 }, ...deeper];
}

await t.test('the contract has operations to ask for, and each that needs a body has a good one', (t) => {
  t.ok(operations.length >= 43, `${operations.length} operations`);
  const without = operations.filter(({ id, isBodyRequired }) => isBodyRequired && BODIES[id] === undefined);
  t.same(without, []);
  t.end();
});

await t.test('an unknown query parameter is refused by name, on every operation', async (t) => {
  for (const operation of operations) {
    const answer = await send(operation, { query: `?${WRONG}=1`, body: BODIES[operation.id] });
    const expected = { status: 400, body: { code: 'invalid_request', field: WRONG } };
    t.match(answer, expected, `${operation.method} ${operation.path}`);
  }
  t.same(reached, []);
});

await t.test('a body is refused by every operation that takes none', async (t) => {
  for (const operation of operations.filter(({ hasBody }) => !hasBody)) {
    const answer = await send(operation, { body: { [WRONG]: 1 } });
    const field = operation.method === 'GET' ? 'body' : WRONG;
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, operation.id);
  }
  t.same(reached, []);
});

await t.test('an unknown member is refused by every operation with a body, however deep it is', async (t) => {
  for (const operation of operations.filter(({ hasBody }) => hasBody)) {
    for (const body of spoil(BODIES[operation.id] ?? {})) {
      const answer = await send(operation, { body });
      const name = `${operation.id} ${JSON.stringify(body)}`;
      t.match(
        answer,
        { status: 400, body: { code: 'invalid_request', field: new RegExp(`${WRONG}$`) } },
        name,
      );
    }
  }
  t.same(reached, []);
});

await t.test('a signed notice is taken whatever it says, because it is money', async (t) => {
  const notice = all.find(({ id }) => id === 'notifyPayment');
  t.ok(notice);
  if (notice === undefined) return;
  const answer = await send(notice, { query: `?${WRONG}=1`, body: { [WRONG]: 1 } });
  t.match({ status: answer.status, reached }, { status: 200, reached: [`POST ${notice.path}`] });
});
