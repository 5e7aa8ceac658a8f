// Goal: a rolling restart of two gateways under steady load fails no request. Method: the whole system; the
// client itself stands in for the load balancer: it asks each gateway's /readyz every 100 ms and sends only
// to those that say 200.
import { Redis } from 'ioredis';
import t from 'tap';
import { Pool } from 'undici';
import { reserveOne } from '../support/reserve.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

// The drain is long beside the 100 ms between two looks, so that a busy machine does not matter.
const client = await buildStack(t, 'gateways', { DRAIN_MS: '2000' });
const { stack } = client;
const redis = new Redis(stack.info.redis);
t.teardown(() => {
  redis.disconnect();
});

/** Sends to the gateways that are ready, in turn. The balancer does not know that one of them will leave. */
class Balancer {
  readonly #targets = new Map<string, { pool: Pool; isReady: boolean }>();
  readonly #timer: NodeJS.Timeout;
  #next = 0;

  constructor(urls: string[]) {
    for (const url of urls) this.add(url);
    this.#timer = setInterval(() => void this.look(), 100);
  }

  add(url: string): void {
    this.#targets.set(url, { pool: new Pool(url, { connections: 8, pipelining: 1 }), isReady: false });
  }

  async look(): Promise<void> {
    await Promise.all(
      [...this.#targets].map(async ([url, target]) => {
        const isReady = fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) });
        target.isReady = await isReady.then(
          ({ status }) => status === 200,
          () => false,
        );
      }),
    );
  }

  get ready(): number {
    return [...this.#targets.values()].filter(({ isReady }) => isReady).length;
  }

  pick(): Pool {
    const ready = [...this.#targets.values()].filter(({ isReady }) => isReady);
    this.#next += 1;
    const target = ready[this.#next % ready.length];
    if (target === undefined) throw new Error('no gateway is ready');
    return target.pool;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { pool } of this.#targets.values()) await pool.close();
  }
}

await t.test('a rolling restart of two gateways under steady load fails no request', async (t) => {
  await createSale(client, 'rolling', { items: [oneItem(100_000)] });
  const second = await stack.startProcess({ service: 'gateway', name: 'gateway-2' });
  const balancer = new Balancer([stack.info.gateway, second.url]);
  t.teardown(() => balancer.close());
  await until('both are ready', async () => balancer.ready === 2);

  const failures: string[] = [];
  let served = 0;
  let isOver = false;
  const buyers = Array.from({ length: 6 }, async (_, buyer) => {
    for (let count = 0; !isOver; count += 1) {
      const key = `${buyer}-${count}`;
      try {
        let answer = await reserveOne(client, balancer.pick(), 'rolling', `u${buyer}`, key);
        // Redis may take half a second on a busy machine, which is not the gateways' doing. The repeat must
        // tell the truth.
        if (answer.code === 'outcome_unknown')
          answer = await reserveOne(client, balancer.pick(), 'rolling', `u${buyer}`, key);
        if (answer.status === 201) served += 1;
        else failures.push(`${answer.status} ${answer.code ?? ''}`);
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  await until('the load is steady', async () => served > 100);
  await stack.restart('gateway');
  await until('the first is back', async () => balancer.ready === 2);
  const before = served;
  const stopped = second.child.stop();
  await stopped;
  const third = await stack.startProcess({ service: 'gateway', name: 'gateway-3' });
  balancer.add(third.url);
  await until('the second is replaced', async () => balancer.ready === 2);
  await until('the load goes on', async () => served > before + 100);
  isOver = true;
  await Promise.all(buyers);
  t.same(failures, [], `${served} requests were served`);
  t.equal((await second.child.exited).code, 0, 'and it ended in order');
  t.equal(Number(await redis.hget('seckill:{rolling:0}:state', 'a:held')), served, 'each took one unit');
  await third.child.stop();
});
