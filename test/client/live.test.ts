// Goal: a watch hears the sale live, goes on by looking where there is no live sale, and outlives a gateway
// that is killed in the middle. Method: the real gateway; an EventSource over Node's own HTTP, which counts.
import { get, type ClientRequest } from 'node:http';
import { createClient, type LiveSource, type Sale } from '@seckill/client';
import { forwardTcp, untilWithin } from '@seckill/testing';
import t from 'tap';
import { oneOf, makeBuyer } from '../support/buyer.ts';
import { buildStack, createSale, oneItem, until } from '../support/stack.ts';

const system = await buildStack(t, 'client-live');
const baseUrl = system.stack.info.gateway;
/** Three heartbeats are missing by then, and the pause of a break has passed. */
const LIVE_AGAIN_MS = 46_000;
let opened = 0;
let looked = 0;

/** An EventSource like a browser's, but without reconnections, which the client makes by itself. */
class TestSource implements LiveSource {
  readonly #listeners = new Map<string, (event: { data: string }) => void>();
  readonly #request: ClientRequest;

  constructor(url: string) {
    opened += 1;
    const fail = (): void => this.#listeners.get('error')?.({ data: '' });
    this.#request = get(url, { agent: false }, (answer) => {
      if (answer.statusCode !== 200) return void setImmediate(fail);
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        const blocks = (text + part).split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const [, type = ''] = /^event: (.*)$/m.exec(block) ?? [];
          const [, data = ''] = /^data: (.*)$/m.exec(block) ?? [];
          this.#listeners.get(type)?.({ data });
        }
      });
      answer.on('error', () => undefined).on('close', fail);
    });
    this.#request.on('error', fail);
  }

  addEventListener(type: string, listener: (event: { data: string }) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.#request.destroy();
  }
}

/** Collects what a watch yields, until the watch ends. */
function watch(saleId: string, options: Partial<Parameters<typeof createClient>[0]> = {}) {
  const stopping = new AbortController();
  const seen: Sale[] = [];
  const failures: string[] = [];
  const client = createClient({
    baseUrl,
    eventSource: TestSource,
    transport: async ({ url, method, headers }) => {
      looked += 1;
      const answer = await fetch(url, { method, headers });
      return { status: answer.status, header: (name) => answer.headers.get(name), text: await answer.text() };
    },
    ...options,
  });
  const ended = (async () => {
    for await (const one of client.watchSale(saleId, { everyMs: 1_000, signal: stopping.signal })) {
      if (one.ok) seen.push(one.value);
      else failures.push(one.code);
    }
  })();
  const left = () => seen.at(-1)?.items[0]?.available;
  return {
    seen,
    failures,
    ended,
    left,
    stop: () => {
      stopping.abort();
    },
  };
}

const steer = async (id: string, verb: string) =>
  system.send({
    method: 'POST',
    path: `/v1/sales/${id}/${verb}`,
    token: await system.token('operator', true),
  });

await t.test(
  'a watch hears every change live, without a look, and ends when the sale is closed',
  async (t) => {
    await createSale(system, 'live-watch', { items: [oneItem(3)] });
    [opened, looked] = [0, 0];
    const watched = watch('live-watch');
    await until('the sale', () => watched.left() === 3);
    t.match(await makeBuyer(system, 'watcher').reserve('live-watch', oneOf('a')), { ok: true });
    await until('a unit less', () => watched.left() === 2);
    t.match(watched.seen.at(-1), { title: 'Test sale', items: [{ held: 1, price: { amount: 100 } }] });
    await steer('live-watch', 'close');
    await watched.ended;
    t.equal(watched.seen.at(-1)?.state, 'closed');
    t.same([opened, looked, watched.failures], [1, 0, []]);
  },
);

await t.test('a signal ends the watch and closes its connection', async (t) => {
  await createSale(system, 'live-signal');
  const watched = watch('live-signal');
  await until('the sale', () => watched.seen.length === 1);
  watched.stop();
  await watched.ended;
  t.equal(watched.seen.length, 1);
});

await t.test('a watch looks again and again where no live sale can be had', async (t) => {
  await createSale(system, 'live-none', { items: [oneItem(3)] });
  const full = await system.stack.startProcess({
    service: 'gateway',
    name: 'gateway-full',
    env: { EVENTS_LISTENERS_COUNT_MAX: '0', DRAIN_MS: '0' },
  });
  [opened, looked] = [0, 0];
  const watches = [watch('live-none', { eventSource: null }), watch('live-none', { baseUrl: full.url })];
  await until('both see the sale', () => watches.every(({ left }) => left() === 3));
  await makeBuyer(system, 'looker').reserve('live-none', oneOf('a'));
  await until('both see a unit less', () => watches.every(({ left }) => left() === 2));
  t.equal(opened, 1, 'who was refused does not ask again at once');
  t.ok(looked >= 4);
  for (const { stop, ended } of watches) {
    stop();
    await ended;
  }
});

await t.test('a gateway that is killed and comes back costs nobody the sale', async (t) => {
  await createSale(system, 'live-killed', { items: [oneItem(5)] });
  [opened, looked] = [0, 0];
  const watched = watch('live-killed');
  await until('the sale', () => watched.left() === 5);
  await system.stack.kill('gateway');
  await system.stack.restart('gateway');
  await makeBuyer(system, 'survivor').reserve('live-killed', oneOf('a'));
  await until('a unit less', () => watched.left() === 4);
  await until('it is live again', () => opened === 2);
  const looks = looked;
  await makeBuyer(system, 'survivor-2').reserve('live-killed', oneOf('a'));
  await until('the next', () => watched.left() === 3);
  t.equal(looked, looks, 'it was heard, not looked up');
  watched.stop();
  await watched.ended;
});

await t.test('a connection that dies without a word is made anew', async (t) => {
  await createSale(system, 'live-lost', { items: [oneItem(5)] });
  const forwarder = await forwardTcp(t, baseUrl);
  const lost = watch('live-lost', { baseUrl: forwarder.url });
  await until('the sale', () => lost.left() === 5);
  [opened, looked] = [0, 0];
  forwarder.lose();
  const lostAt = performance.now();
  t.match(await makeBuyer(system, 'unheard').reserve('live-lost', oneOf('a')), { ok: true });
  await untilWithin(LIVE_AGAIN_MS)('it is seen again', () => lost.left() === 4);
  const ms = performance.now() - lostAt;
  t.ok(ms > 38_000, `three heartbeats are waited for, not ${ms} ms`);
  await until('it is live again', () => opened === 1);
  const looks = looked;
  t.match(await makeBuyer(system, 'heard').reserve('live-lost', oneOf('a')), { ok: true });
  await until('the next', () => lost.left() === 3);
  // The first look may go by a connection of before, which was lost too.
  t.ok(looks === 1 || looks === 2, `${looks} looks`);
  t.same([looked - looks, lost.failures], [0, []], 'it was heard, not looked up');
  lost.stop();
  await lost.ended;
});
