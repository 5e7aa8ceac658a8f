// Goal: a reader is told the truth of the last second, without a call where the memory knows it and by one
// call for all where it does not: each condition is taken away by itself. Method: the real reader over the
// real memory; announcements, what order and stock answer, and both clocks come from the test.
import type { Announcement, SaleRecord, StockState } from '@seckill/contracts';
import { createRegistry, Problem } from '@seckill/runtime';
import { pino } from 'pino';
import t from 'tap';
import { createMemoryMetrics } from '../../src/memory/metrics.ts';
import { StateSource } from '../../src/memory/state-source.ts';
import { SaleMemory } from '../../src/memory/sale-memory.ts';
import { createSaleReadMetrics } from '../../src/sales/metrics.ts';
import { SaleReader } from '../../src/sales/sale-reader.ts';

/** What Redis' clock shows when the test begins. Our clock shows 0 then. */
const START = 1_800_000_000_000;
const OPENS = START - 1_000;
const CLOSES = START + 600_000;

interface Shown {
  items: { total: number; available: number; held: number; paid: number }[];
  state: string;
  version: number;
  serverTime: string;
  channels?: { id: string }[];
}

function record(patch: Partial<SaleRecord> = {}, total = 10): SaleRecord {
  return {
    definition: {
      id: 'oranges',
      title: 'Oranges',
      opensAt: new Date(OPENS).toISOString(),
      closesAt: new Date(CLOSES).toISOString(),
      holdSeconds: 900,
      items: [{ sku: 'a', title: 'A', price: { amount: 1, currency: 'CNY' }, total }],
      channels: [{ id: 'c', kind: 'community', title: 'C', cap: 3 }],
    },
    version: 1,
    state: 'open',
    acknowledged: true,
    ...patch,
  };
}

function build({ withMemory = true } = {}) {
  let now = 0;
  const source = new StateSource();
  const { time } = source;
  time.read(START, 0, 0);
  const registry = createRegistry();
  const memory = new SaleMemory({
    now: () => now,
    readFull: () => Promise.reject(new Error('nobody asks')),
    logger: pino({ enabled: false }),
    metrics: createMemoryMetrics(registry),
  });
  const asked: string[] = [];
  /** The answers that order and stock would give now. */
  const truth = {
    record: record(),
    available: 7,
    held: 2,
    total: 10,
    version: 1,
    epoch: 1,
    sequence: 3,
    gate: 'open' as StockState['gate'],
    fault: undefined as Problem | undefined,
  };
  /** Calls that wait until the test answers them. */
  const waiting: (() => void)[] = [];
  let isSlow = false;
  const pass = async () => {
    if (isSlow) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const reader = new SaleReader({
    ...(withMemory ? { memory } : {}),
    now: () => now,
    metrics: createSaleReadMetrics(registry),
    order: {
      sale: async () => {
        asked.push('order');
        const { record: told, fault } = truth;
        await pass();
        if (fault !== undefined) throw fault;
        return told;
      },
    },
    stock: {
      state: async (saleId) => {
        asked.push('stock');
        const { gate, epoch, version, sequence, total, available, held } = truth;
        await pass();
        const counts = { sku: 'a', total, available, held, paid: total - available - held };
        return {
          ...{ saleId, gate, epoch, version, sequence, now: START + now, state: 'open', outbox: 0 },
          ...{ opensAt: OPENS, closesAt: CLOSES, items: gate === 'missing' ? [] : [counts] },
        };
      },
    },
  });
  const built = {
    reader,
    time,
    asked,
    truth,
    waiting,
    slow: (to: boolean) => {
      isSlow = to;
    },
    advance: (ms: number) => {
      now += ms;
      time.read(START + now, now, now);
    },
    advanceBlind: (ms: number) => {
      now += ms;
    },
    hear: (patch: Partial<Announcement> = {}) => {
      const { epoch, version, sequence, total, available, held } = truth;
      memory.learn(
        {
          ...{ saleId: 'oranges', lane: 0, gate: 'open', epoch, version, sequence, now: START + now },
          ...{ state: 'open', opensAt: OPENS, closesAt: CLOSES, salt: 's', reservations: [] },
          items: [{ sku: 'a', total, available, held }],
          ...patch,
        },
        source,
      );
    },
    read: async (channel?: string) => {
      const { etag, head, tail } = await reader.read('oranges', channel, { requestId: 'r', language: 'en' });
      return { etag, ...(JSON.parse(head.with(tail)) as Shown) };
    },
    /** Reads the sale, and tells how many calls that took. */
    calls: async (channel?: string) => {
      const before = asked.length;
      const shown = await built.read(channel);
      return { ...shown, calls: asked.length - before };
    },
    counts: async () => {
      const text = await registry.getSingleMetricAsString('seckill_gateway_sale_reads_total');
      return Object.fromEntries<number>(
        [...text.matchAll(/source="(\w+)"\} (\d+)/g)].map(([, k, v]) => [String(k), Number(v)]),
      );
    },
  };
  return built;
}

/** Makes a reader that knows the definition, over a memory that knows the counts. */
async function buildKnown() {
  const built = build();
  built.hear();
  await built.read();
  return built;
}

const CALLS = 2;

await t.test('a sale that is announced is read without a call, once its definition is known', async (t) => {
  const { calls, hear, counts, truth } = build();
  const first = await calls();
  t.equal(first.calls, CALLS, 'a gateway that has just started asks');
  hear();
  const second = await calls();
  t.equal(second.calls, 0);
  t.match(second, { ...first, calls: 0, serverTime: /./ }, 'and tells the same, under the same tag');
  Object.assign(truth, { available: 5, held: 3 });
  hear();
  const third = await calls();
  t.match(third, {
    calls: 0,
    state: 'open',
    version: 1,
    items: [{ total: 10, available: 5, held: 3, paid: 2 }],
  });
  t.not(third.etag, first.etag);
  t.match(await calls('c'), { calls: 0, channels: [{ id: 'c' }] });
  t.same(await counts(), { call: 1, memory: 3 });
});

await t.test('an announcement that is older than what a call told is not told after it', async (t) => {
  const { calls, hear, truth } = build();
  hear();
  Object.assign(truth, { sequence: 4, available: 6, held: 3 });
  const items = [{ available: 6, held: 3 }];
  t.match(await calls(), { calls: CALLS, items }, 'the definition is not known');
  t.match(await calls(), { calls: CALLS, items }, 'units that are gone do not come back');
  hear();
  t.match(await calls(), { calls: 0, items });
});

await t.test('the clock goes on between two announcements', async (t) => {
  const { calls, advance } = await buildKnown();
  advance(900);
  t.match(await calls(), { calls: 0, serverTime: new Date(START + 900).toISOString() });
});

await t.test('in every doubt order and stock are asked', async (t) => {
  type Built = Awaited<ReturnType<typeof buildKnown>>;
  const doubts: [string, (built: Built) => void][] = [
    [
      'the state is a second old',
      (one) => {
        one.advance(1_000);
      },
    ],
    [
      'the clock of Redis is not known',
      (one) => {
        one.time.forget();
      },
    ],
    [
      'another epoch was announced',
      (one) => {
        one.hear({ epoch: 2 });
      },
    ],
    [
      'another version was announced',
      (one) => {
        one.hear({ version: 2 });
      },
    ],
    [
      'the gate closed',
      (one) => {
        one.hear({ gate: 'rebuilding' });
      },
    ],
    [
      'the lane is that of another Redis',
      (one) => {
        one.hear({ gate: 'stale' });
      },
    ],
    [
      'a SKU is missing',
      (one) => {
        one.hear({ items: [] });
      },
    ],
    [
      'more units than the total',
      (one) => {
        one.hear({ items: [{ sku: 'a', total: 10, available: 9, held: 2 }] });
      },
    ],
    [
      'an edge of the window is between the bounds of the clock',
      (one) => {
        one.time.read(START, -5, 0);
        one.hear({ opensAt: START + 2 });
      },
    ],
    [
      'the sale may be over',
      (one) => {
        one.time.read(START, -5, 0);
        one.hear({ closesAt: START + 2 });
      },
    ],
    [
      'the sale was changed through this gateway',
      (one) => {
        one.reader.forget('oranges');
      },
    ],
  ];
  for (const [name, doubt] of doubts) {
    const built = await buildKnown();
    t.equal((await built.calls()).calls, 0);
    doubt(built);
    t.equal((await built.calls()).calls, CALLS, name);
  }
  const { calls } = build({ withMemory: false });
  await calls();
  t.equal((await calls()).calls, CALLS, 'a gateway without REDIS_URL');
});

await t.test('the state follows the window by the clock of Redis', async (t) => {
  const { calls, hear, advance } = await buildKnown();
  hear({ opensAt: START + 300, closesAt: START + 600 });
  t.match(await calls(), { calls: 0, state: 'scheduled' });
  advance(300);
  t.match(await calls(), { calls: 0, state: 'open' }, 'no announcement has said so');
  advance(300);
  t.match(await calls(), { calls: 0, state: 'closed', items: [{ soldOut: 'final' }] });
});

await t.test('a definition is known only under totals that stock has confirmed', async (t) => {
  const { calls, hear, truth } = build();
  // Postgres was restored, and then gave the number of the version that stock has to another restock.
  truth.record = record({}, 12);
  hear();
  await calls();
  t.equal((await calls()).calls, CALLS);
  truth.record = record();
  await calls();
  t.equal((await calls()).calls, 0);
});

await t.test('a change that stock has not acknowledged is read by calls', async (t) => {
  const { calls, hear, truth, reader } = await buildKnown();
  truth.record = record({ version: 2, acknowledged: false }, 15);
  reader.forget('oranges');
  hear();
  t.match(await calls(), { calls: CALLS, version: 2, items: [{ total: 10 }] });
  t.equal((await calls()).calls, CALLS);
  Object.assign(truth, { version: 2, total: 15, available: 12 });
  hear();
  await calls();
  t.match(await calls(), { calls: 0, version: 2, items: [{ total: 15, available: 12, paid: 1 }] });
});

await t.test('a call that began before a change is not shared after it, and teaches nothing', async (t) => {
  const { read, calls, hear, slow, waiting, reader } = build();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  hear();
  slow(true);
  const early = read();
  waiting.shift()?.();
  await turn();
  reader.forget('oranges');
  const late = calls();
  for (let step = 0; step < CALLS; step += 1) {
    for (const resolve of waiting.splice(0)) resolve();
    await turn();
  }
  t.equal((await late).calls, CALLS);
  await early;

  reader.forget('oranges');
  const other = read();
  waiting.shift()?.();
  await turn();
  reader.forget('oranges');
  slow(false);
  waiting.shift()?.();
  await other;
  t.equal((await calls()).calls, CALLS);
});

await t.test('equal questions share a call, if it is young', async (t) => {
  const { read, asked, slow, waiting, advance, counts } = build({ withMemory: false });
  slow(true);
  const crowd = Array.from({ length: 100 }, () => read());
  advance(499);
  crowd.push(read());
  t.same(asked, ['order']);
  advance(1);
  crowd.push(read('c'));
  t.same(asked, ['order', 'order'], 'a call of half a second ago is too old');
  slow(false);
  for (const resolve of waiting.splice(0)) resolve();
  const shown = await Promise.all(crowd);
  t.equal(new Set(shown.slice(0, -1).map(({ etag }) => etag)).size, 1);
  t.same(asked, ['order', 'order', 'stock', 'stock']);
  t.same(await counts(), { call: 2, shared_call: 100 });
  t.equal((await read()).state, 'open');
  t.equal(asked.length, 6, 'what has ended is not shared');
});

await t.test('what cannot be told is told to all, and asked again', async (t) => {
  const { read, truth, asked, hear } = await buildKnown();
  truth.fault = new Problem('sale_not_found');
  t.equal((await read()).state, 'open', 'a call is not made for what is known');
  hear({ gate: 'missing' });
  const results = await Promise.allSettled([read(), read()]);
  t.same(
    results.map((one) => one.status),
    ['rejected', 'rejected'],
  );
  t.equal(asked.filter((one) => one === 'order').length, 2);
  truth.fault = undefined;
  truth.gate = 'missing';
  await t.rejects(read(), { code: 'sale_unavailable' }, 'lost, not all for sale');
  truth.record = record({ acknowledged: false });
  t.match(await read(), { state: 'loading', items: [{ available: 10 }] }, 'not loaded yet');
  truth.record = record({ retired: { items: [{ sku: 'a', total: 10, paid: 4 }] } });
  const before = asked.length;
  t.match(await read(), { state: 'closed', items: [{ available: 6, paid: 4 }] });
  t.same(asked.slice(before), ['order'], 'stock may have forgotten it');
});

await t.test('the list of channels is read in the same way', async (t) => {
  const { reader, asked, hear } = build();
  const list = async () => {
    const { head, tail } = await reader.readChannels('oranges', { requestId: 'r', language: 'en' });
    return JSON.parse(head.with(tail)) as unknown;
  };
  hear();
  const channels = [{ id: 'c', kind: 'community', title: 'C' }];
  t.strictSame(await list(), { channels });
  t.equal(asked.length, CALLS);
  t.strictSame(await list(), { channels });
  t.equal(asked.length, CALLS);
});
