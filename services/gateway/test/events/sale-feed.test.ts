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
      accept(answer.response, undefined);
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

await t.test('a heartbeat comes after 15 s in which nothing else came, and no sooner', async (t) => {
  let now = 0;
  const state = stateOf(9);
  const feed = new SaleFeed(state, () => now);
  const answer = new Answer();
  feed.listeners.add(new Listener(answer.response, state.id, () => undefined));
  const heard = () =>
    [...answer.text.matchAll(/event: (\w+)\ndata: (\{.*\})\n\n/g)].map(([, event]) => event);
  for (now = 0; now < 14_900; now += 100) await feed.tell(state);
  t.same(heard(), []);
  await feed.tell(stateOf(8));
  for (; now < 29_800; now += 100) await feed.tell(stateOf(8));
  t.same(heard(), ['counts'], 'what came counts as a sign of life');
  for (; now < 45_100; now += 100) await feed.tell(now < 40_000 ? stateOf(8) : undefined);
  t.same(heard(), ['counts', 'heartbeat', 'heartbeat'], 'also while nobody can tell what the sale is');
  t.notMatch(answer.text, /id: .*\nevent: heartbeat/, 'it names no state');
});
