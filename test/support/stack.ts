import { startStack, signToken, type Stack, type StackOptions } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import pg from 'pg';
import { Pool } from 'undici';
import type { Test } from 'tap';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  body: Record<string, unknown>;
}

export interface Client extends Caller {
  stack: Stack;
  /** Name of the stack, whose folder in `.run` has the services' logs. */
  name: string;
  http: Pool;
}

export interface Caller {
  token(userId: string, isOperator?: boolean): Promise<string>;
  send(request: {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    path: string;
    token?: string;
    key?: string;
    body?: unknown;
    /** Text that is sent as it is, instead of `body`. */
    raw?: string;
    headers?: Record<string, string>;
  }): Promise<Answer>;
}

/** The stack that buildStack gives to every file of this process that asks for nothing special. */
let shared: Client | undefined;

/**
 * One stack for all files that a process imports one after the other; a stack takes 10 s to start and stop.
 * The files' sales have names of their own, and each file leaves the system whole.
 */
export async function shareStack(t: Test, name: string): Promise<void> {
  shared = await startClient(t, name);
}

/**
 * The whole system on engines of its own: these tests stop and kill services, and a second intake in the same
 * Kafka group would take their messages. Stops with the test.
 */
export async function buildStack(
  t: Test,
  name: string,
  env: Record<string, string> = {},
  /** Engines that the test starts by itself, by the variables that name them. */
  engines: Record<string, string> = {},
): Promise<Client> {
  const isSpecial = Object.keys({ ...env, ...engines }).length > 0;
  return !isSpecial && shared !== undefined ? shared : startClient(t, name, { env, engines });
}

/** The whole system on engines of several nodes each, which start again when they end. */
export async function buildCluster(t: Test, name: string): Promise<Client> {
  return startClient(t, name, { isCluster: true, isKept: true });
}

interface ClientOptions extends Pick<StackOptions, 'env' | 'isCluster' | 'isKept'> {
  engines?: Record<string, string>;
}

async function startClient(
  t: Test,
  name: string,
  { env = {}, engines = {}, ...options }: ClientOptions = {},
): Promise<Client> {
  // Engines that the test run shares are for tests of one part.
  for (const variable of ['REDIS_URL', 'KAFKA_BROKERS', 'DATABASE_URL']) {
    Reflect.deleteProperty(process.env, variable);
  }
  Object.assign(process.env, engines);
  const limits = { RATE_LIMIT_USER_MAX: '1000000', RATE_LIMIT_ADDRESS_MAX: '1000000' };
  const ownName = `${name}-${process.pid}`;
  const stack = await startStack({ ...options, name: ownName, env: { ...limits, ...env } });
  const http = new Pool(stack.info.gateway, { connections: 64, pipelining: 1 });
  t.teardown(async () => {
    await http.close();
    await stack.stop();
  });

  return { stack, name: ownName, http, ...callerOver(http, stack.info.jwtSecret) };
}

/** Calls a gateway, with tokens that its secret signs. */
export function callerOver(http: Pool, jwtSecret: string): Caller {
  return {
    token: (userId, isOperator = false) => signToken(jwtSecret, { userId, isOperator }),
    async send({ method = 'GET', path, token, key, body, raw, headers }) {
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const response = await http.request({
        method,
        path,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: payload ?? null,
      });
      const text = await response.body.text();
      const isJson = String(response.headers['content-type'] ?? '').includes('json');
      return {
        status: response.statusCode,
        headers: response.headers,
        text,
        body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
      };
    },
  };
}

/** A small sale that is open now; fields can be replaced. */
export function saleInput(id: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id,
    title: 'Test sale',
    closesAt: new Date(Date.now() + 600_000).toISOString(),
    items: [
      { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 10 },
      { sku: 'b', title: 'B', price: { amount: 250, currency: 'CNY' }, total: 5 },
    ],
    ...changes,
  };
}

/** Creates a sale. @throws Error when the sale was not created. */
export async function createSale(
  client: Client,
  id: string,
  changes: Record<string, unknown> = {},
): Promise<void> {
  const token = await client.token('operator', true);
  const answer = await client.send({
    method: 'POST',
    path: '/v1/sales',
    token,
    body: saleInput(id, changes),
  });
  if (answer.status !== 201) throw new Error(`sale ${id}: ${answer.status} ${answer.text}`);
}

/** What an operator posts to paths of the API. */
export function actingAs(
  client: Client,
  token: string,
): (path: string, body?: object, key?: string) => ReturnType<Client['send']> {
  return (path, body, key) =>
    client.send({ method: 'POST', path, token, ...(body && { body }), ...(key && { key }) });
}

/**
 * Units of the sale's first item that are held now. An operator asks, because a gateway answers all others
 * from memory.
 */
export async function readHeld(client: Client, saleId: string): Promise<number> {
  const token = await client.token('operator', true);
  const { body } = await client.send({ path: `/v1/sales/${saleId}`, token });
  return (body['items'] as { held: number }[])[0]?.held ?? -1;
}

/** The sale's only item. */
export function oneItem(total: number): Record<string, unknown> {
  return { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total };
}

export const until = untilWithin(30_000);

/** Milliseconds from `since` until it succeeds for the first time. */
export async function timeUntil(
  what: string,
  since: number,
  isDone: () => Promise<boolean>,
): Promise<number> {
  await until(what, () => isDone().catch(() => false));
  return performance.now() - since;
}

/** The sale of this moment, asked by an operator, because a gateway answers all others from memory. */
export async function itemOf(client: Client, saleId: string): Promise<Record<string, unknown>> {
  const { body } = await client.send({
    path: `/v1/sales/${saleId}`,
    token: await client.token('operator', true),
  });
  return (body['items'] as Record<string, unknown>[] | undefined)?.[0] ?? {};
}

/** Waits until PostgreSQL has so many orders of the sale. The API shows an order before its row is there. */
export async function untilRows(client: Client, saleId: string, count: number): Promise<void> {
  const postgres = new pg.Client({ connectionString: client.stack.info.postgres });
  await postgres.connect();
  try {
    await until(`${count} rows of ${saleId}`, async () => {
      const sql = 'SELECT count(*)::int AS count FROM orders WHERE sale_id = $1';
      const { rows } = await postgres.query<{ count: number }>(sql, [saleId]);
      return rows[0]?.count === count;
    });
  } finally {
    await postgres.end();
  }
}
