// Goal: control states may come in any order and any number of times while buyers reserve; the highest
// version stands at the end, and no unit is lost or sold twice (INV-1, INV-3).
// Method: two instances of stock on one Redis; every version three times, shuffled, handed over as order
// does, again until acknowledged, while reservations run. A seed repeats an order of calls.
import { randomInt } from 'node:crypto';
import type { ControlState } from '@seckill/contracts';
import { seededRandom } from '@seckill/testing';
import t from 'tap';
import { laneKeys } from '../src/redis/keys.ts';
import { build, item, makeControl, type Built } from './support/build.ts';

const VERSIONS = 40;
const REPEATS = 3;
const RESERVES = 1_500;
const BATCH = 25;
const UNITS_FIRST = 100;

const one = await build(t);
const two = await build(t, { order: one.order });

function shuffle<Value>(values: Value[], random: () => number): Value[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

/** Control states, version by version, as an operator's pauses, resumes and restocks make them. */
function makeHistory(first: ControlState, random: () => number): ControlState[] {
  const history = [first];
  for (let version = 2; version <= VERSIONS; version += 1) {
    const { state, items } = history.at(-1) ?? first;
    const what = Math.floor(random() * 3);
    history.push({
      ...first,
      version,
      state: what === 0 ? 'paused' : what === 1 ? 'open' : state,
      items: items.map((one) =>
        what === 2 ? { ...one, total: one.total + 1 + Math.floor(random() * 20) } : one,
      ),
    });
  }
  return history;
}

/** Reserves as a client would: the same item is sent again while its outcome is not known. */
async function reserveBatch(built: Built, saleId: string, start: number): Promise<number> {
  let items = Array.from({ length: BATCH }, (_, index) => item(saleId, { userId: `u${start + index}` }));
  let reserved = 0;
  for (let attempt = 0; items.length > 0 && attempt < 50; attempt += 1) {
    const answers = await built.reserve(...items);
    reserved += answers.filter(({ outcome }) => outcome === 'reserved').length;
    items = items.filter((_, index) => answers[index]?.outcome === 'outcome_unknown');
  }
  if (items.length > 0) throw new Error('an outcome stayed unknown');
  return reserved;
}

async function reserveAll(saleId: string): Promise<number> {
  let reserved = 0;
  const waves = 4;
  for (let start = 0; start < RESERVES; start += waves * BATCH) {
    const batches = Array.from({ length: waves }, (_, index) =>
      reserveBatch(index % 2 === 0 ? one : two, saleId, start + index * BATCH),
    );
    for (const count of await Promise.all(batches)) reserved += count;
  }
  return reserved;
}

/** Makes all calls in their order, four at a time. @returns the versions that were acknowledged. */
async function handAll(calls: ControlState[]): Promise<{ asked: number; stands: number }[]> {
  const acknowledged: { asked: number; stands: number }[] = [];
  const queue = calls.values();
  const worker = async (built: Built): Promise<void> => {
    for (const control of queue) {
      const { version } = await built.hand(control);
      acknowledged.push({ asked: control.version, stands: Number(version) });
    }
  };
  await Promise.all([one, two, one, two].map(worker));
  return acknowledged;
}

for (const seed of [1, 2, randomInt(2 ** 31)]) {
  await t.test(`shuffled and repeated versions end at the highest, seed ${seed}`, async (t) => {
    const random = seededRandom(seed);
    const { saleId } = makeControl();
    const sale = one.addSale({ saleId, items: [{ sku: 'a', price: 1, total: UNITS_FIRST }] });
    const history = makeHistory(sale, random);
    const last = history.at(-1) ?? sale;
    await one.hand(sale);
    const calls = shuffle(Array.from({ length: REPEATS }, () => history).flat(), random);
    const [acknowledged, reserved] = await Promise.all([handAll(calls), reserveAll(saleId)]);

    t.equal(acknowledged.length, VERSIONS * REPEATS);
    t.ok(
      acknowledged.every(({ asked, stands }) => stands >= asked),
      'none is acknowledged before it, or a higher one, stands',
    );
    const { body } = await one.send('GET', `/internal/sales/${saleId}/state`);
    const total = last.items[0]?.total ?? 0;
    t.match(body, { gate: 'open', version: VERSIONS, state: last.state });
    t.same(
      body['items'],
      [{ sku: 'a', total, available: total - reserved, held: reserved, paid: 0 }],
      'INV-3',
    );
    t.ok(reserved > 0 && reserved <= total, `INV-1: ${reserved} of ${total}`);
    t.equal(await one.connection.redis.hlen(laneKeys({ saleId, lane: 0 }).holds), reserved);

    await two.hand({ ...last, version: VERSIONS + 1, state: 'open' });
    const later = await reserveAll(saleId);
    t.equal(reserved + later, total, 'every unit that was restocked can be sold, and not one more');
  });
}
