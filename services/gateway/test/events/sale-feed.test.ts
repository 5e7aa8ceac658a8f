// Goal: nobody is left with an older state of a sale than the others, and every sale that somebody listens
// to is looked at, however many there are.
// Method: feeds and events with the real states, on answers that only note what was written; the memory is
// silent or knows the sale, as each test says.
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SaleRecord, StockState } from '@seckill/contracts';
import { createRegistry } from '@seckill/runtime';
import { pino } from 'pino';
import t from 'tap';
import { Listener } from '../../src/events/listener.ts';
import { createEventMetrics } from '../../src/events/metrics.ts';
import { SaleEvents } from '../../src/events/sale-events.ts';
import { SaleFeed } from '../../src/events/sale-feed.ts';
import { SaleState } from '../../src/events/sale-state.ts';
import { SaleReading } from '../../src/sales/sale-reading.ts';

const CALLS_MAX = 16;
const opensAt = Date.parse('2026-11-22T12:00:00.000Z');

function readingOf(saleId: string, available: number): SaleReading {
  const price = { amount: 1, currency: 'CNY' };
  const record: SaleRecord = {
    definition: {
      ...{ id: saleId, title: 'Oranges', holdSeconds: 900 },
      opensAt: new Date(opensAt).toISOString(),
      closesAt: new Date(opensAt + 600_000).toISOString(),
      items: [{ sku: 'o', title: 'O', price, total: 10 }],
      channels: [],
    },
    ...{ version: 1, state: 'open', acknowledged: true },
  };
  const state: StockState = {
    ...{ saleId, gate: 'open', epoch: 1, version: 1, sequence: 0, now: opensAt + 1, state: 'open' },
    ...{ opensAt, closesAt: opensAt + 600_000, outbox: 0 },
    items: [{ sku: 'o', total: 10, available, held: 10 - available, paid: 0 }],
  };
  return new SaleReading(record, state);
}
const stateOf = (available: number) => new SaleState(readingOf('oranges', available), opensAt + 1);

/** An answer that notes what is written to it. */
class Answer extends EventEmitter {
  text = '';
  destroyed = false;
  writableEnded = false;
  writableLength = 0;
  write(bytes: Buffer | string): boolean {
    this.text += String(bytes);
    return true;
  }
  end(bytes = ''): void {
    this.text += bytes;
    this.writableEnded = true;
    queueMicrotask(() => this.emit('close'));
  }
  get response(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}
const shown = (answer: Answer) => /"available":(\d+)(?!.*"available")/s.exec(answer.text)?.[1];

await t.test('a listener whose first answer was overtaken hears what the others have', async (t) => {
  const [older, newer] = [stateOf(9), stateOf(3)];
  const feed = new SaleFeed(older, () => performance.now());
  const early = new Answer();
  feed.listeners.add(new Listener(early.response, older.id, () => undefined));
  await feed.tell(newer);
  t.equal(shown(early), '3');
  // The listener's call was answered before the change, and its answer came back after the change.
  const late = new Answer();
  const listener = new Listener(late.response, older.id, () => undefined);
  feed.listeners.add(listener);
  const told = early.text.length;
  await feed.tell(newer);
  t.equal(shown(late), '3');
  t.equal(listener.tag, newer.id);
  t.match(late.text, /event: sale/, 'all of it: it may be of another version');
  t.equal(early.text.length, told, 'the others are told nothing twice');
});

for (const isRemembered of [true, false]) {
  const what = isRemembered ? 'that the memory knows' : 'that have to be asked for';
  await t.test(`40 sales ${what} are all told of a change`, async (t) => {
    const left = { available: 10 };
    let underWay = 0;
    let mostUnderWay = 0;
    const events = new SaleEvents({
      reader: {
        isRemembered: () => isRemembered,
        watch: async (saleId) => {
          underWay += 1;
          mostUnderWay = Math.max(mostUnderWay, underWay);
          await sleep(20);
          underWay -= 1;
          return { reading: readingOf(saleId, left.available), now: opensAt + 1, isRemembered };
        },
      },
      isReady: () => true,
      now: () => performance.now(),
      ...{ listenersMax: 100, addressListenersMax: 100, metrics: createEventMetrics(createRegistry()) },
      logger: pino({ level: 'silent' }),
    });
    t.teardown(() => {
      events.close();
    });
    const answers: Answer[] = [];
    for (let number = 0; number < 40; number += 1) {
      const { accept } = await events.join(`sale-${number}`, '::1', { requestId: 'r', language: 'en' });
      const answer = new Answer();
      accept(answer.response);
      answers.push(answer);
    }
    left.available = 4;
    mostUnderWay = 0;
    const isTold = ({ text }: Answer) => text.includes('"available":4');
    for (let waited = 0; waited < 100 && !answers.every(isTold); waited += 1) await sleep(50);
    t.equal(answers.filter(isTold).length, 40);
    if (!isRemembered) t.ok(mostUnderWay <= CALLS_MAX, `${mostUnderWay} calls at once`);
  });
}

/** What the answer was told, and the data of its heartbeats. */
const eventsOf = ({ text }: Answer) =>
  [...text.matchAll(/event: (\w+)\ndata: (\{.*\})\n\n/g)].map(([, event, data]) =>
    event === 'heartbeat' ? `heartbeat ${data}` : event,
  );

await t.test('a change of counts comes as the whole sale, or as counts to who asked for them', async (t) => {
  const first = stateOf(9);
  const feed = new SaleFeed(first, () => performance.now());
  const [whole, counts] = [new Answer(), new Answer()];
  feed.listeners.add(new Listener(whole.response, first.id, () => undefined));
  feed.listeners.add(new Listener(counts.response, first.id, () => undefined, true));
  await feed.tell(stateOf(3));
  t.same([eventsOf(whole), eventsOf(counts)], [['sale'], ['counts']]);
  t.same([shown(whole), shown(counts)], ['3', '3']);
});

await t.test('a heartbeat comes every 15 s, whatever else is told', async (t) => {
  let now = 0;
  const state = stateOf(9);
  const feed = new SaleFeed(state, () => now);
  const answer = new Answer();
  feed.listeners.add(new Listener(answer.response, state.id, () => undefined));
  for (now = 0; now < 15_000; now += 100) await feed.beat(2_000);
  t.same(eventsOf(answer), []);
  await feed.beat(2_000);
  await feed.tell(stateOf(8));
  for (; now < 30_000; now += 100) await feed.beat(3_000);
  await feed.beat(3_000);
  t.same(eventsOf(answer), ['heartbeat {"spreadMs":2000}', 'sale', 'heartbeat {"spreadMs":3000}']);
  t.notMatch(answer.text, /id: .*\nevent: heartbeat/, 'it names no state');
});

await t.test('a look that hangs keeps no heartbeat back', async (t) => {
  let now = 0;
  const looks: string[] = [];
  const stuck = new Promise<never>(() => undefined);
  let isStuck = false;
  const events = new SaleEvents({
    reader: {
      isRemembered: () => false,
      watch: async (saleId) => {
        if (isStuck) looks.push(saleId);
        return isStuck ? stuck : { reading: readingOf(saleId, 9), now: opensAt + 1, isRemembered: false };
      },
    },
    isReady: () => true,
    now: () => now,
    ...{ listenersMax: 100, addressListenersMax: 100, metrics: createEventMetrics(createRegistry()) },
    logger: pino({ level: 'silent' }),
  });
  t.teardown(() => {
    events.close();
  });
  // More sales than may be asked for at a time: the last ones are not even looked at.
  const answers: Answer[] = [];
  for (let number = 0; number <= CALLS_MAX; number += 1) {
    const { accept } = await events.join(`sale-${number}`, '::1', { requestId: 'r', language: 'en' });
    const answer = new Answer();
    accept(answer.response);
    answers.push(answer);
  }
  isStuck = true;
  const beats = (count: number) =>
    answers.every(
      (answer) => eventsOf(answer).filter((event) => event?.startsWith('heartbeat')).length === count,
    );
  t.ok(beats(1), 'one comes before the first state');
  for (const count of [2, 3]) {
    now += 15_000;
    for (let waited = 0; waited < 200 && !beats(count); waited += 1) await sleep(50);
    t.ok(beats(count), `heartbeat ${count}`);
  }
  t.equal(looks.length, CALLS_MAX, 'and nobody was told anything else');
  for (const answer of answers) t.same(eventsOf(answer)[1], 'sale');
});

await t.test('the more lose their connection at once, the more slowly they come back', async (t) => {
  const max = 50_000;
  const events = new SaleEvents({
    reader: {
      isRemembered: () => true,
      watch: async (saleId) => ({ reading: readingOf(saleId, 9), now: opensAt + 1, isRemembered: true }),
    },
    isReady: () => true,
    now: () => performance.now(),
    ...{ listenersMax: max, addressListenersMax: max, metrics: createEventMetrics(createRegistry()) },
    logger: pino({ level: 'silent' }),
  });
  t.teardown(() => {
    events.close();
  });
  const answers: Answer[] = [];
  const listen = async (count: number): Promise<Answer> => {
    for (; answers.length < count;) {
      const { accept } = await events.join('oranges', '::1', { requestId: 'r', language: 'en' });
      const answer = new Answer();
      accept(answer.response);
      answers.push(answer);
    }
    return answers.at(-1) ?? new Answer();
  };
  t.equal(eventsOf(await listen(100))[0], 'heartbeat {"spreadMs":2000}');
  t.equal(eventsOf(await listen(10_000))[0], 'heartbeat {"spreadMs":5000}');
  t.equal(eventsOf(await listen(30_000))[0], 'heartbeat {"spreadMs":10000}', 'and no more than this');
  events.close();
  const waits = answers.map(({ text }) => Number(/retry: (\d+)\n\n$/.exec(text)?.[1]));
  t.ok(waits.every((ms) => ms >= 1_000 && ms <= 11_000));
  const inTenth = Array.from({ length: 100 }, () => 0);
  for (const ms of waits) {
    const index = Math.min(99, Math.floor((ms - 1_000) / 100));
    inTenth[index] = (inTenth[index] ?? 0) + 1;
  }
  // 300 of them on average. Chance alone makes 17 more or less of it.
  t.ok(Math.max(...inTenth) < 450, `${Math.max(...inTenth)} in a tenth of a second`);
});
