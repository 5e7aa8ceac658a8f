// Goal: the batcher keeps order and its bounds, answers every item exactly once, and waits for nothing but
// the turn when idle.
// Method: its real code on a clock that the test turns, with a transport that the test answers by hand.
import t from 'tap';
import { Batcher, type BatcherOptions } from '../src/batcher.ts';
import type { Cancellation } from '../src/cancellation.ts';
import type { Clock } from '../src/clock.ts';

class ManualClock implements Clock {
  #now = 0;
  #sleepers: { at: number; wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.push({ at: this.#now + ms, wake: resolve });
      signal?.addEventListener('abort', () => {
        resolve();
      });
    });
  }

  async advance(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
    for (const { wake } of due) wake();
    await settle();
  }
}

/** Waits until every promise that can go on has gone on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

interface Call {
  items: number[];
  answer: (answers: string[]) => Promise<void>;
  fail: (error: Error) => Promise<void>;
  cancellation: Cancellation;
}

function build(patch: Partial<BatcherOptions<number, string>> = {}) {
  const clock = new ManualClock();
  const calls: Call[] = [];
  const failures: unknown[] = [];
  const batcher = new Batcher<number, string>({
    clock,
    send: (items, cancellation) =>
      new Promise((resolve, reject) => {
        calls.push({
          items,
          cancellation,
          answer: async (answers) => {
            resolve(answers);
            await settle();
          },
          fail: async (error) => {
            reject(error);
            await settle();
          },
        });
      }),
    overloaded: 'overloaded',
    unknown: 'unknown',
    onFailure: (error) => failures.push(error),
    callsMax: 2,
    batchCountMax: 3,
    queueCountMax: 4,
    waitMs: 100,
    callMs: 1_000,
    ...patch,
  });
  const call = (index: number): Call => {
    const one = calls[index];
    if (one === undefined) throw new Error(`call ${index} was not made`);
    return one;
  };
  return { batcher, clock, calls, call, failures };
}

const ofCall = (items: number[]) => items.map((item) => `answer ${item}`);

/** Adds items, each in a turn of its own. */
async function addInTurns(batcher: Batcher<number, string>, items: number[]): Promise<Promise<string>[]> {
  const answers: Promise<string>[] = [];
  for (const item of items) {
    answers.push(batcher.add(item));
    await settle();
  }
  return answers;
}

await t.test('one item alone leaves at the end of the turn', async (t) => {
  const { batcher, calls, call } = build();
  const answer = batcher.add(1);
  t.equal(calls.length, 0, 'others may still come in it');
  await settle();
  t.same(
    calls.map(({ items }) => items),
    [[1]],
  );
  await call(0).answer(['answer 1']);
  t.equal(await answer, 'answer 1');
});

await t.test('what arrives in one turn travels together, though a call is free for each', async (t) => {
  const { batcher, calls, call } = build();
  const answers = [1, 2].map((item) => batcher.add(item));
  await settle();
  t.same(
    calls.map(({ items }) => items),
    [[1, 2]],
  );
  await call(0).answer(ofCall([1, 2]));
  t.same(await Promise.all(answers), ofCall([1, 2]));
});

await t.test(
  'what arrives while all calls are busy travels together, in order, in full batches',
  async (t) => {
    const { batcher, calls, call } = build();
    const answers = await addInTurns(batcher, [1, 2, 3, 4, 5, 6]);
    t.same(
      calls.map(({ items }) => items),
      [[1], [2]],
      'no more calls than allowed',
    );
    await call(1).answer(ofCall([2]));
    t.same(call(2).items, [3, 4, 5], 'no more items than allowed');
    await call(0).answer(ofCall([1]));
    t.same(call(3).items, [6]);
    await call(3).answer(ofCall([6]));
    await call(2).answer(ofCall([3, 4, 5]));
    t.same(await Promise.all(answers), ofCall([1, 2, 3, 4, 5, 6]), 'each hears its own answer');
  },
);

await t.test('a full queue refuses at once, and nothing of it is sent', async (t) => {
  const { batcher, call } = build();
  const answers = await addInTurns(batcher, [1, 2, 3, 4, 5, 6]);
  t.equal(batcher.queued, 4);
  t.equal(await batcher.add(7), 'overloaded');
  await call(0).answer(ofCall([1]));
  const late = batcher.add(8);
  await call(1).answer(ofCall([2]));
  t.same(call(2).items, [3, 4, 5]);
  t.same(call(3).items, [6, 8], 'there is room again, and the refused one was not kept');
  await call(2).answer(ofCall([3, 4, 5]));
  await call(3).answer(ofCall([6, 8]));
  t.same(await Promise.all([...answers, late]), ofCall([1, 2, 3, 4, 5, 6, 8]));
});

await t.test('an item that waited too long was not sent, and hears so at its own time', async (t) => {
  const { batcher, clock, calls, call } = build({ callsMax: 1 });
  const [first] = await addInTurns(batcher, [1]);
  const second = batcher.add(2);
  await clock.advance(60);
  const third = batcher.add(3);
  await clock.advance(40);
  t.equal(await second, 'overloaded', 'while the call is still under way');
  t.equal(batcher.queued, 1);
  await call(0).answer(ofCall([1]));
  t.same(call(1).items, [3], 'the younger one goes on');
  await call(1).answer(ofCall([3]));
  t.same(await Promise.all([first, third]), ofCall([1, 3]));
  t.equal(calls.length, 2);
});

await t.test('a call that takes too long is unknown, and is told to end', async (t) => {
  const { batcher, clock, call } = build({ callsMax: 1 });
  const [first] = await addInTurns(batcher, [1]);
  await clock.advance(999);
  t.notOk(call(0).cancellation.aborted);
  const next = batcher.add(2);
  await clock.advance(1);
  t.equal(await first, 'unknown');
  t.ok(call(0).cancellation.aborted);
  t.equal(batcher.queued, 1, 'a call that has not ended keeps its place: connections stay bounded');
  await call(0).answer(ofCall([1]));
  t.same(call(1).items, [2]);
  await call(1).answer(ofCall([2]));
  t.equal(await next, 'answer 2');
});

await t.test(
  'a call that fails, or answers for another number, is unknown for its own items only',
  async (t) => {
    const { batcher, call, failures } = build({ batchCountMax: 2 });
    const answers = await addInTurns(batcher, [1, 2, 3, 4, 5]);
    await call(0).fail(new Error('cut'));
    await call(1).answer([]);
    t.same(call(2).items, [3, 4]);
    await call(2).answer(['one too few']);
    await call(3).answer(ofCall([5]));
    t.same(await Promise.all(answers), ['unknown', 'unknown', 'unknown', 'unknown', 'answer 5']);
    t.equal(failures.length, 3);
  },
);

await t.test('close answers all that was taken, and takes no more', async (t) => {
  const { batcher, call } = build({ callsMax: 1 });
  const answers = await addInTurns(batcher, [1, 2, 3]);
  let isClosed = false;
  const closed = batcher.close().then(() => {
    isClosed = true;
  });
  t.equal(await batcher.add(4), 'overloaded');
  await call(0).answer(ofCall([1]));
  t.notOk(isClosed);
  t.same(call(1).items, [2, 3]);
  await call(1).answer(ofCall([2, 3]));
  await closed;
  t.same(await Promise.all(answers), ofCall([1, 2, 3]));
  await build().batcher.close();
});

await t.test('close does not wait for the turn', async (t) => {
  const { batcher, call } = build();
  const answer = batcher.add(1);
  const closed = batcher.close();
  await call(0).answer(ofCall([1]));
  await closed;
  t.equal(await answer, 'answer 1');
});

await t.test('a batch of one is the unbatched baseline', async (t) => {
  const { batcher, calls, call } = build({ batchCountMax: 1, callsMax: 1 });
  const answers = [1, 2].map((item) => batcher.add(item));
  await settle();
  await call(0).answer(ofCall([1]));
  await call(1).answer(ofCall([2]));
  t.same(
    calls.map(({ items }) => items),
    [[1], [2]],
  );
  t.same(await Promise.all(answers), ofCall([1, 2]));
});
