/** What any operation refuses, whatever the state of things: a good call with one thing spoiled. */
import { connect } from 'node:net';
import type { Test } from 'tap';
import { until, type Client as System } from '../../support/stack.ts';
import type { Call, Good, Operation } from './calls.ts';
import type { Recorder } from './recorder.ts';

export interface Deps {
  system: System;
  recorder: Recorder;
  good: Good;
  operations: Operation[];
}

const NOWHERE = {
  saleId: 'no-such-sale',
  sku: 'no-such-item',
  channelId: 'no-such-channel',
};

/** How an operation's call is made malformed: in its body, a parameter of its query, or by one too many. */
function malform({ id, isBodyRequired, hasBody, parameters }: Operation, call: Call): Call {
  if (id === 'reserve') return { ...call, body: { lines: [{ sku: 'pear-2kg', quantity: 0 }] } };
  if (id === 'changeSale') return { ...call, body: { title: '' } };
  if (isBodyRequired) return { ...call, body: {} };
  if (hasBody) return { ...call, body: { reasons: 'typo' } };
  if (parameters.some(({ name }) => name === 'limit')) return { ...call, query: '?limit=0' };
  return { ...call, query: '?colour=red' };
}

export async function provokeRefusals({ system, recorder, good, operations }: Deps): Promise<void> {
  const buyer = await system.token('u1');
  const operator = good.operator;
  await Promise.all(
    operations.map(async (operation) => {
      const { id, security, hasBody } = operation;
      const call = good.callOf(operation);
      const ask = (changed: Call) => recorder.provoke(id, { ...call, ...changed });
      await recorder.provoke(id, malform(operation, call));
      if (security.length > 0) await ask({ token: call.token === undefined ? 'no.token' : undefined });
      if (id === 'notifyPayment') {
        await ask({ headers: { ...call.headers, 'webhook-signature': `v1,${'x'.repeat(44)}` } });
      }
      if (call.token === operator) await ask({ token: buyer });
      // What operators alone ask of a call that is a buyer's.
      if (id === 'listOrders') await ask({ query: '?userId=u2' });
      if (hasBody) {
        await ask({ raw: `{"x":"${'y'.repeat(1_100_000)}"}` });
        await ask({ raw: 'x', headers: { ...call.headers, 'content-type': 'text/plain' } });
      }
    }),
  );
}

/** What is not there: the sale, the item, and all that good calls name by an id nobody has. */
export async function provokeAbsence({ recorder, good, operations }: Deps): Promise<void> {
  for (const operation of operations) {
    const call = good.callOf(operation);
    const { id, path, parameters } = operation;
    const ask = (changed: Call) => recorder.provoke(id, { ...call, ...changed });
    if (path.includes('{saleId}')) await ask({ at: { ...call.at, saleId: NOWHERE.saleId } });
    if (path.includes('{sku}')) await ask({ at: { ...call.at, sku: NOWHERE.sku } });
    if (parameters.some(({ name }) => name === 'If-Match')) {
      await ask({ headers: { ...call.headers, 'if-match': '"999"' } });
    }
    if (/\{(orderId|noticeId|refundId|endpointId)\}/.test(path)) await ask({});
  }
  const byId = (id: string): Call => {
    const operation = operations.find((one) => one.id === id);
    if (operation === undefined) throw new Error(`there is no operation ${id}`);
    return good.callOf(operation);
  };
  await recorder.provoke('listPickups', {
    ...byId('listPickups'),
    query: `?channelId=${NOWHERE.channelId}`,
  });
  await recorder.provoke('handOut', byId('handOut'));
}

const LIMITS = { user: 10, address: 20, requests: 30 };

/**
 * A gateway of its own: ten requests a second of one user, twenty of one address, thirty in flight. First it
 * is asked too often, then all its places are taken by requests whose bodies do not come.
 */
export async function provokeLimits(t: Test, deps: Deps): Promise<void> {
  const { url, child } = await deps.system.stack.startProcess({
    service: 'gateway',
    name: 'gateway-tight',
    env: {
      RATE_LIMIT_USER_MAX: String(LIMITS.user),
      RATE_LIMIT_ADDRESS_MAX: String(LIMITS.address),
      HTTP_REQUESTS_COUNT_MAX: String(LIMITS.requests),
      TRUST_PROXY: 'loopback',
      DRAIN_MS: '0',
    },
  });
  for (const [index, operation] of deps.operations.entries()) await askTooOften(deps, url, operation, index);
  await askTooMany(t, deps, url);
  await child.stop();
}

/** As a user and from an address of its own. Nothing is there that such a call could change. */
async function askTooOften(
  { system, recorder, good }: Deps,
  baseUrl: string,
  operation: Operation,
  index: number,
): Promise<void> {
  const { id } = operation;
  const call = good.callOf(operation);
  const isUser = call.token !== undefined;
  const eager: Call = {
    ...malform(operation, call),
    baseUrl,
    at: { ...call.at, ...NOWHERE },
    token: isUser ? await system.token(`eager-${index}`, true) : undefined,
    headers: {
      ...call.headers,
      'x-forwarded-for': `10.0.0.${index + 1}`,
      ...(id === 'notifyPayment' ? { 'webhook-signature': 'v1,none' } : {}),
    },
  };
  const isRefused = async (): Promise<boolean> => {
    const count = isUser ? LIMITS.user : LIMITS.address;
    await Promise.all(Array.from({ length: count }, () => recorder.send(id, eager)));
    return (await recorder.provoke(id, eager)) === 'rate_limited';
  };
  // A second may end in the middle.
  for (let tries = 0; tries < 5 && !(await isRefused()); tries += 1);
}

async function askTooMany(t: Test, { recorder, good, operations }: Deps, baseUrl: string): Promise<void> {
  const head =
    'POST /v1/payments/notifications HTTP/1.1\r\nhost: x\r\nwebhook-id: 1\r\ncontent-length: 9\r\n\r\n';
  const sockets = Array.from({ length: LIMITS.requests }, () => {
    const socket = connect(Number(new URL(baseUrl).port), '127.0.0.1');
    // The gateway hangs up on them after ten seconds.
    socket.on('error', () => undefined);
    socket.write(head);
    return socket;
  });
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(end);
  // The places of these sockets are taken once somebody else is refused.
  const [first] = operations;
  const ask = (operation: Operation) =>
    recorder.provoke(operation.id, { ...malform(operation, good.callOf(operation)), baseUrl });
  await until('the gateway is full', async () => first !== undefined && (await ask(first)) === 'overloaded');
  await Promise.all(operations.map(ask));
  end();
}
