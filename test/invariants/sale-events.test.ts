// Goal: a listener hears what becomes of a sale, at most four times a second, and neither a slow listener
// nor too many of them take anything from others. Method: the whole system over HTTP; a gateway of its own
// where a bound is reached or a process ends.
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { actingAs, buildStack, createSale, oneItem, until } from '../support/stack.ts';

const client = await buildStack(t, 'sale-events');
const operator = await client.token('operator', true);

interface Event {
  id?: string;
  event?: string;
  data: {
    state?: string;
    version?: number;
    title?: string;
    serverTime?: string;
    spreadMs?: number;
    items?: { available: number; soldOut: string; price?: unknown }[];
  };
  at: number;
}

interface Listening {
  status: number;
  headers: IncomingMessage['headers'];
  /** All but heartbeats. */
  events: Event[];
  beats: Event[];
  /** Everything that is no event: `retry` and comments. */
  rest: string[];
  hasEnded: () => boolean;
  leave(): void;
}

/** Listens to a sale as a browser does. */
function listen(base: string, path: string, headers: Record<string, string> = {}): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const asked = request(`${base}${path}`, { headers, agent: false }, (answer) => {
      const events: Event[] = [];
      const beats: Event[] = [];
      const rest: string[] = [];
      let text = '';
      let ended = false;
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block.split('\n').map((line) => [line.split(': ')[0] ?? '', line.slice(line.indexOf(': ') + 2)]),
          ) as Record<string, string>;
          if (fields['data'] === undefined) rest.push(block);
          else {
            const data = JSON.parse(fields['data']) as Event['data'];
            const { id = '', event = '' } = fields;
            (event === 'heartbeat' ? beats : events).push({ id, event, data, at: performance.now() });
          }
        }
      });
      answer.on('close', () => {
        ended = true;
      });
      answer.on('error', () => undefined);
      resolve({
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        events,
        beats,
        rest,
        hasEnded: () => ended,
        leave: () => asked.destroy(),
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

const gateway = client.stack.info.gateway;
/** By then a listener who does not read was sent more than the kernel keeps: it is dropped now, or never. */
const SLOW_STATES_MAX = 30;
const eventsOf = (saleId: string) => `/v1/sales/${saleId}/events`;
const act = actingAs(client, operator);
const steer = (id: string, verb: string) => act(`/v1/sales/${id}/${verb}`);

async function reserve(saleId: string, buyer: string) {
  return client.send({
    method: 'POST',
    path: `/v1/sales/${saleId}/reservations`,
    token: await client.token(buyer),
    key: 'k',
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
}

// This sale is listened to while the tests below run: a heartbeat needs 15 s.
await createSale(client, 'live-quiet');
const quiet = await listen(gateway, eventsOf('live-quiet'));
const quietAt = performance.now();

await t.test('first the sale, then each change of it, then the end', async (t) => {
  await createSale(client, 'live-one', { items: [oneItem(2)] });
  const heard = await listen(gateway, eventsOf('live-one'), { 'accept-encoding': 'gzip' });
  const counted = await listen(gateway, `${eventsOf('live-one')}?counts=true`);
  t.teardown(() => {
    heard.leave();
    counted.leave();
  });
  t.equal(heard.status, 200);
  t.match(heard.headers, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-content-type-options': 'nosniff',
    'content-security-policy': /default-src 'none'/,
    'referrer-policy': 'no-referrer',
    'x-request-id': /./,
    ratelimit: /"address"/,
  });
  t.notOk(heard.headers['content-encoding']);
  await until('the sale', () => heard.events.length === 1);
  t.match(heard.rest[0], /^retry: [1-3]\d{3}$/);
  const { body } = await client.send({ path: '/v1/sales/live-one' });
  const { serverTime: _readAt, ...read } = body;
  const { serverTime: _toldAt, ...told } = heard.events[0]?.data ?? {};
  t.equal(heard.events[0]?.event, 'sale');
  t.same(told, read);
  await until('how slowly to come back', () => heard.beats.length === 1);
  t.match(heard.beats[0], { id: '', data: { spreadMs: 2_000 } });

  t.match(await reserve('live-one', 'one'), { status: 201 });
  await until('a unit less', () => heard.events.at(-1)?.data.items?.[0]?.available === 1);
  t.match(heard.events.at(-1), { event: 'sale', data: { title: 'Test sale' } });
  await until('a unit less, as counts', () => counted.events.at(-1)?.data.items?.[0]?.available === 1);
  t.same(new Set(counted.events.map(({ event }) => event)), new Set(['sale', 'counts']));
  t.notOk(counted.events.at(-1)?.data.title);
  const countsOnly = ['available', 'held', 'paid', 'sku', 'soldOut', 'total'];
  t.same(Object.keys(counted.events.at(-1)?.data.items?.[0] ?? {}).sort(), countsOnly);
  t.match(await reserve('live-one', 'two'), { status: 201 });
  await until('sold out', () => heard.events.at(-1)?.data.items?.[0]?.soldOut === 'held');
  t.match(await steer('live-one', 'pause'), { status: 200 });
  await until('paused', () => heard.events.at(-1)?.data.state === 'paused');
  t.match(heard.events.at(-1), { event: 'sale', data: { title: 'Test sale', version: 2 } });
  await until('paused, to who asked for counts', () => counted.events.at(-1)?.data.state === 'paused');
  t.match(counted.events.at(-1), { event: 'sale', data: { title: 'Test sale', version: 2 } });
  t.match(await steer('live-one', 'close'), { status: 200 });
  await until('the end', () => heard.hasEnded());
  t.match(heard.events.at(-1)?.data, { state: 'closed', items: [{ soldOut: 'final' }] });
  t.match(heard.rest.at(-1), /^retry: \d{4,5}$/);

  // A listener who has the last state is told not to come back. One who has another state hears the last one,
  // and the end.
  const last = heard.events.at(-1)?.id ?? '';
  t.equal((await listen(gateway, eventsOf('live-one'), { 'last-event-id': last })).status, 204);
  const late = await listen(gateway, eventsOf('live-one'), { 'last-event-id': 'x' });
  await until('the end again', () => late.hasEnded());
  t.match(late.events, [{ event: 'sale', data: { state: 'closed' } }]);
});

await t.test(
  'a sale that sells is told at most four times a second, and its opening without a look',
  async (t) => {
    const opensAt = new Date(Date.now() + 1_500).toISOString();
    await createSale(client, 'live-busy', { items: [oneItem(200)], opensAt });
    const heard = await listen(gateway, eventsOf('live-busy'));
    t.teardown(() => {
      heard.leave();
    });
    await until('scheduled', () => heard.events[0]?.data.state === 'scheduled');
    await until('open', () => heard.events.at(-1)?.data.state === 'open');
    const startedAt = performance.now();
    for (let buyer = 0; buyer < 100; buyer += 1) await reserve('live-busy', `busy-${buyer}`);
    const seconds = (performance.now() - startedAt) / 1_000;
    await until('all of it', () => heard.events.at(-1)?.data.items?.[0]?.available === 100);
    const during = heard.events.filter(({ at }) => at >= startedAt);
    t.ok(during.length <= 4 * (seconds + 0.5) + 2, `${during.length} events in ${seconds} s`);
    // A listener who comes back and names the state it has hears only what is new.
    const again = await listen(gateway, eventsOf('live-busy'), {
      'last-event-id': heard.events.at(-1)?.id ?? '',
    });
    t.teardown(() => {
      again.leave();
    });
    await sleep(600);
    t.same(again.events, []);
    await reserve('live-busy', 'busy-last');
    await until('the next', () => again.events.length > 0);
    t.match(again.events[0], { event: 'sale', data: { items: [{ available: 99 }] } });
  },
);

await t.test('unknown sales, malformed requests and bad tokens are told as elsewhere', async (t) => {
  t.match(await client.send({ path: eventsOf('live-nowhere') }), {
    status: 404,
    body: { code: 'sale_not_found' },
  });
  await createSale(client, 'live-two');
  for (const query of ['channel=a', 'counts=1', 'counts=false'])
    t.match(await client.send({ path: `${eventsOf('live-two')}?${query}` }), { status: 400 });
  t.match(await client.send({ path: eventsOf('live-two'), token: 'x.y.z' }), { status: 401 });
  t.match(await client.send({ method: 'POST', path: eventsOf('live-two') }), { status: 405 });
  const head = await fetch(`${gateway}${eventsOf('live-two')}`, { method: 'HEAD' });
  t.equal(head.status, 405);
});

await t.test('listeners are bounded by process and by address, and a place comes back', async (t) => {
  const env = {
    EVENTS_LISTENERS_COUNT_MAX: '3',
    EVENTS_ADDRESS_LISTENERS_COUNT_MAX: '2',
    TRUST_PROXY: 'loopback',
    ALLOWED_ORIGINS: 'https://shop.example',
    DRAIN_MS: '0',
    // Listeners do not count as requests in flight.
    HTTP_REQUESTS_COUNT_MAX: '2',
  };
  const tight = await client.stack.startProcess({ service: 'gateway', name: 'gateway-few', env });
  const from = (address: string) =>
    listen(tight.url, eventsOf('live-two'), { 'x-forwarded-for': address, origin: 'https://shop.example' });
  const first = await from('192.0.2.1');
  t.equal(first.headers['access-control-allow-origin'], 'https://shop.example');
  t.match(first.headers['access-control-expose-headers'], /date/);
  const second = await from('192.0.2.1');
  const third = await from('192.0.2.1');
  t.match(third, { status: 429, headers: { 'retry-after': /^\d+$/, 'content-type': /problem\+json/ } });
  const other = await from('192.0.2.2');
  t.equal(other.status, 200);
  t.match(await from('192.0.2.3'), { status: 503, headers: { 'retry-after': /^\d+$/ } });
  first.leave();
  await until('a place', async () => {
    const next = await from('192.0.2.3');
    return next.status === 200;
  });
  second.leave();
  other.leave();
});

await t.test(
  'a listener who does not read is dropped and counted, and another hears everything',
  async (t) => {
    // A state of 0.6 MB, so that some of them are more than the kernel keeps for both ends of a connection.
    const long = '鲜'.repeat(2_000);
    const items = Array.from({ length: 50 }, (_, n) => ({
      ...oneItem(1_000),
      sku: n === 0 ? 'a' : `s${n}`,
      description: { zh: long, en: long },
    }));
    await createSale(client, 'live-slow', { items, title: 'Title 0' });
    const own = await client.stack.startProcess({
      service: 'gateway',
      name: 'gateway-slow',
      env: { DRAIN_MS: '0' },
    });
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(own.metrics)).text();
      const line = text.split('\n').find((one) => one.startsWith(`${name} `));
      return Number(line?.slice(name.length) ?? 0);
    };
    const slow = () => metric('seckill_gateway_listeners_ended_total{reason="slow"}');
    const heard = await listen(own.url, eventsOf('live-slow'));
    t.teardown(() => {
      heard.leave();
    });
    const { hostname, port } = new URL(own.url);
    const asleep = connect(Number(port), hostname);
    t.teardown(() => asleep.destroy());
    asleep.on('error', () => undefined);
    asleep.pause();
    asleep.write(`GET ${eventsOf('live-slow')} HTTP/1.1\r\nhost: a\r\n\r\n`);
    await until('both listen', async () => (await metric('seckill_gateway_listeners')) === 2);
    await until('the first state', () => heard.events.length === 1);
    let told = 0;
    while (told < SLOW_STATES_MAX && (await slow()) === 0) {
      told += 1;
      const title = `Title ${told}`;
      const changed = await client.send({
        method: 'PATCH',
        path: '/v1/sales/live-slow',
        token: operator,
        body: { title },
      });
      t.equal(changed.status, 200);
      await until(`${title} is heard`, () => heard.events.at(-1)?.data.title === title);
    }
    t.comment(`dropped after ${told} states`);
    t.equal(await slow(), 1);
    t.equal(await metric('seckill_gateway_listeners'), 1);
    const titles = heard.events.filter(({ event }) => event === 'sale').map(({ data }) => data.title);
    t.same(
      titles,
      Array.from({ length: told + 1 }, (_, n) => `Title ${n}`),
      'the other missed none',
    );
    t.match(await reserve('live-slow', 'after'), { status: 201 });
    await until('a unit less', () => heard.events.at(-1)?.data.items?.[0]?.available === 999);
    t.notOk(heard.hasEnded());
  },
);

await t.test('a gateway that leaves ends its listeners after whole events, spread over time', async (t) => {
  const leaving = await client.stack.startProcess({
    service: 'gateway',
    name: 'gateway-leaving',
    env: { DRAIN_MS: '1500' },
  });
  const all = await Promise.all(Array.from({ length: 20 }, () => listen(leaving.url, eventsOf('live-two'))));
  await until('all have it', () => all.every(({ events }) => events.length === 1));
  const stopping = leaving.child.stop();
  await sleep(700);
  const early = all.filter(({ hasEnded }) => hasEnded()).length;
  t.ok(early > 0 && early < 20, `${early} of 20 were ended by then`);
  await until('all were ended', () => all.every(({ hasEnded }) => hasEnded()));
  for (const { rest } of all) t.match(rest.at(-1), /^retry: \d{4}$/);
  await stopping;
});

await t.test('a listener to whom nothing happens hears heartbeats, and stays', async (t) => {
  t.teardown(() => {
    quiet.leave();
  });
  await until('the second heartbeat', () => quiet.beats.length >= 2);
  t.match(quiet.events, [{ event: 'sale' }]);
  const seconds = (Number(quiet.beats[1]?.at) - quietAt) / 1_000;
  t.ok(seconds > 14 && seconds < 20, `after ${seconds} s`);
  t.notOk(quiet.hasEnded());
});
