// Goal: a new version is rolled out in the middle of a sale and no request fails: every service with two
// replicas, each replaced as a Deployment does it (maxSurge 1, maxUnavailable 0: the successor is ready, then
// SIGTERM and the drain).
// Method: real processes behind balancers that only know /readyz; a steady crowd; then the demo's own audit.
import { randomUUID } from 'node:crypto';
import type { Child } from '@seckill/stack';
import t from 'tap';
import { Pool } from 'undici';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { History } from '../../bench/src/audit/history.ts';
import { Balancer } from '../support/balancer.ts';
import { buildStack, type Client } from '../support/stack.ts';

const SALE_ID = 'rolling';

/** More units than any machine sells in this time, because selling out would end the load. */
const TOTAL = 1_000_000;

const BUYERS_AT_ONCE = 8;

/**
 * A balancer must have asked /readyz within this time, also on a machine at load 8. The services' default is
 * 5 s.
 */
const DRAIN_MS = 3_000;

/**
 * The time-out is longer than any pause of two busy cores and shorter than the test, because a slow machine
 * is no failed request.
 */
const LONG_WAIT_MS = '15000';

const SERVICES = ['order', 'stock', 'gateway'] as const;
type Service = (typeof SERVICES)[number];

/** Two replicas of each service behind a balancer of its own. */
class Fleet {
  readonly #client: Client;
  readonly #balancers = { order: new Balancer(), stock: new Balancer(), gateway: new Balancer() };
  readonly #replicas: { service: Service; url: string; child: Child }[] = [];
  #env: Record<string, string> = {};
  #count = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Starts everything. @returns the address of the gateways. */
  async start(): Promise<string> {
    this.#env = {
      ORDER_URL: await this.#balancers.order.start(),
      STOCK_URL: await this.#balancers.stock.start(),
      STOCK_TIMEOUT_MS: LONG_WAIT_MS,
      ORDER_TIMEOUT_MS: LONG_WAIT_MS,
      RESERVE_WAIT_MS: LONG_WAIT_MS,
      DRAIN_MS: String(DRAIN_MS),
    };
    const gateway = await this.#balancers.gateway.start();
    for (const service of SERVICES) await this.#client.stack.kill(service);
    await Promise.all([...SERVICES, ...SERVICES].map((service) => this.#add(service)));
    return gateway;
  }

  /** Replaces each replica of each service, one after the other. @returns exit codes. */
  async roll(): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const old of [...this.#replicas]) {
      await this.#add(old.service);
      await old.child.stop();
      this.#balancers[old.service].remove(old.url);
      codes.push((await old.child.exited).code);
    }
    return codes;
  }

  async stop(): Promise<void> {
    await Promise.all(SERVICES.map((service) => this.#balancers[service].stop()));
  }

  async #add(service: Service): Promise<void> {
    this.#count += 1;
    const name = `${service}-${this.#count}`;
    const { url, child } = await this.#client.stack.startProcess({ service, name, env: this.#env });
    this.#balancers[service].add(url);
    this.#replicas.push({ service, url, child });
  }
}

/** Buyers one after the other: reserve, the same key again, read, and every second one pays. */
class Crowd {
  readonly history = new History();
  readonly failures: string[] = [];
  requests = 0;
  readonly #http: Pool;
  readonly #client: Client;

  constructor(gateway: string, client: Client) {
    this.#client = client;
    this.#http = new Pool(gateway, { connections: BUYERS_AT_ONCE * 2, pipelining: 1 });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: BUYERS_AT_ONCE }, () => this.#buyers(signal)));
    await this.#http.close();
  }

  async #buyers(signal: AbortSignal): Promise<void> {
    for (let index = 0; !signal.aborted; index += 1) {
      const userId = `buyer-${randomUUID()}`;
      const token = await this.#client.token(userId);
      const reservation = await this.#reserve(userId, token);
      await this.#send('GET', `/v1/sales/${SALE_ID}`, token);
      if (reservation === undefined) continue;
      await this.#send('GET', `/v1/orders/${reservation}`, token);
      if (index % 2 === 0) await this.#pay(reservation, token);
    }
  }

  async #reserve(userId: string, token: string): Promise<string | undefined> {
    const key = randomUUID();
    let id: string | undefined;
    for (const _attempt of ['first', 'again']) {
      const body = JSON.stringify({ lines: [{ sku: 'a', quantity: 1 }] });
      const answer = await this.#send('POST', `/v1/sales/${SALE_ID}/reservations`, token, body, key);
      if (answer?.status === 201) id = this.history.accept(SALE_ID, userId, key, answer.text).id;
    }
    return id;
  }

  async #pay(id: string, token: string): Promise<void> {
    const answer = await this.#send('POST', `/v1/orders/${id}/pay`, token);
    // The order's row is on its way, or its hold has ended. Both are answers.
    if (answer?.status === 200) this.history.paid(id, 'paid');
  }

  /**
   * Keeps each failed request with its words: one without an answer, or with an answer that tells of a
   * failure of the service.
   */
  async #send(
    method: 'GET' | 'POST',
    path: string,
    token: string,
    body?: string,
    key?: string,
  ): Promise<{ status: number; text: string } | undefined> {
    this.requests += 1;
    try {
      const response = await this.#http.request({
        method,
        path,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        body: body ?? null,
      });
      const text = await response.body.text();
      if (response.statusCode >= 500 && !text.includes('"order_not_ready"'))
        this.failures.push(`${method} ${path}: ${text}`);
      return { status: response.statusCode, text };
    } catch (error) {
      this.failures.push(`${method} ${path}: ${String(error)}`);
      return undefined;
    }
  }
}

await t.test('a rolling restart of every service during a sale fails no request', async (t) => {
  const client = await buildStack(t, 'rolling');
  const fleet = new Fleet(client);
  t.teardown(() => fleet.stop());
  const gateway = await fleet.start();
  const engines = new EngineReader(client.stack.info);
  t.teardown(() => engines.close());

  const created = await fetch(`${gateway}/v1/sales`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await client.token('operator', true)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      id: SALE_ID,
      title: 'Rolling',
      closesAt: new Date(Date.now() + 600_000).toISOString(),
      limitPerBuyer: 1,
      // The hold is short, so that holds end and units come back while order and stock are replaced.
      holdSeconds: 10,
      items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: TOTAL }],
    }),
  });
  t.equal(created.status, 201, await created.text());

  const crowd = new Crowd(gateway, client);
  const enough = new AbortController();
  const running = crowd.run(enough.signal);
  const codes = await fleet.roll();
  enough.abort();
  await running;

  t.same(codes, [0, 0, 0, 0, 0, 0], 'every replica ended by itself, with what was under way done');
  t.same(crowd.failures.slice(0, 5), [], `${crowd.requests} requests, ${crowd.failures.length} failed`);
  t.ok(crowd.history.promised.size > 100, `${crowd.history.promised.size} reservations`);
  const reading = await readSettled(engines, [SALE_ID], 60_000);
  t.same(judge(reading, crowd.history), [], 'every invariant holds');
});
