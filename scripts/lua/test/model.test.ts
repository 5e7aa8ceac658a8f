// Goal: the scripts and the plain model of support/model.ts agree on every answer and on the whole state
// after it.
// Method: fast-check makes random histories of few users, keys, SKUs and channels, so that they collide
// often; after each step everything Redis holds for the lane is read and compared. A failure prints the seed
// and the shortest history.
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import t from 'tap';
import { parseRecord, retakeOf } from '../../../services/stock/src/redis/hold-record.ts';
import { STAMP } from '../../../services/stock/src/redis/keys.ts';
import type { ScriptAnswer } from '../../../services/stock/src/redis/scripts.ts';
import {
  connect,
  FUTURE,
  makeControl,
  openLane,
  PAST,
  suffixOf,
  type ControlPatch,
  type TestLane,
} from './support/lane.ts';
import { campaign } from '@seckill/testing';
import { Model, priceOf, type ModelControl, type ModelRequest } from './support/model.ts';

const RUNS = campaign({ short: 20, full: 200 });
const ROUNDS_MAX = 40;
/** Outcomes that every campaign must reach, because it would say nothing about them otherwise. */
const SOMETIMES = [
  'reserved',
  'known',
  'sold_out',
  'limit_reached',
  'item_limit_reached',
  'kit_reserved',
  'kit_sold_out',
  'kit_limit_reached',
  'holds_exceeded',
  'rejoin_later',
  'channel_full',
  'quantity_not_allowed',
  'item_paused',
  'late',
  'adjusted',
  'rebuild',
  'settled',
  'absent',
  'retaken',
  'repeated',
  'returned',
  'current',
];
const HISTORY_MAX = 60;
const CREATED_AT = 1_000;
/** Eleven days: longer than a history, and shorter than the time since CREATED_AT. */
const REJOIN_MS = 1_000_000_000;

/** Gives the first value mostly, so that a history is not stuck behind a closed door for most steps. */
function mostly<const Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

const request = fc.record({
  // These users and keys run into each other when they are joined without care.
  user: fc.constantFrom('u', 'u1', 'u1:'),
  key: fc.constantFrom('k', '1k', ':k', '1:k'),
  channel: fc.constantFrom('', '', 'x', 'x', 'x', 'y', 'nowhere'),
  ref: fc.constantFrom('', 'note'),
  lines: fc.uniqueArray(
    fc.tuple(
      fc.constantFrom('a', 'a', 'a', 'b', 'b', 'b', 'b', 'k', 'k', 'm', 'zz'),
      fc.integer({ min: 1, max: 3 }),
    ),
    {
      minLength: 1,
      maxLength: 3,
      selector: ([sku]) => sku,
    },
  ),
});
const reserveStep = fc.record({
  kind: fc.constant('reserve' as const),
  batch: fc.array(request, { minLength: 1, maxLength: 4 }),
  isOtherProcess: fc.constantFrom(false, false, false, false, false, false, true),
  outboxCountMax: fc.constantFrom(1_000, 1_000, 1_000, 3),
  isLate: mostly(false, true),
});
const controlStep = fc.record({
  kind: fc.constant('control' as const),
  step: fc.constantFrom(1, 1, 1, 2, 0, -1),
  state: mostly('open' as const, 'paused' as const, 'closed' as const),
  window: mostly(
    'within' as const,
    'ending' as const,
    'ending' as const,
    'before' as const,
    'after' as const,
  ),
  holdMs: fc.constantFrom(60_000, 900_000),
  limit: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
  holdsMax: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  hasRejoin: fc.constantFrom(false, false, true),
  /** There are few ids, so that some come again, and quantities beyond what is left. */
  adjustments: fc.record(
    {
      a: fc.record({ id: fc.constantFrom('i', 'j'), quantity: fc.integer({ min: 1, max: 9 }) }),
      b: fc.record({ id: fc.constantFrom('i', 'j'), quantity: fc.integer({ min: 1, max: 4 }) }),
    },
    { requiredKeys: [] },
  ),
  /** The `step` of `b` and the `minQuantity` of `a`. */
  multiple: mostly(1, 2, 3),
  minQuantity: mostly(1, 2),
  limitOfA: fc.integer({ min: 1, max: 4 }),
  paused: mostly<string[]>([], ['a'], ['b'], ['a', 'b'], ['k']),
  totals: fc.record({ a: fc.integer({ min: 0, max: 12 }), b: fc.integer({ min: 2, max: 20 }) }),
  caps: fc.record(
    { x: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }), y: fc.constant(undefined) },
    { requiredKeys: ['x'] },
  ),
});
const settleStep = fc.record({
  kind: fc.constant('settle' as const),
  /** The number of an order, counted round. A number beyond all orders names one that Redis does not know. */
  index: fc.integer({ min: 0, max: 4 }),
  verdict: fc.oneof(
    { weight: 6, arbitrary: fc.constant('expired' as const) },
    { weight: 4, arbitrary: fc.constant('paid' as const) },
    { weight: 1, arbitrary: fc.constantFrom('cancelled' as const, 'refused' as const) },
  ),
  /** The settlement is of the first hold, late or once more, though the units may have been taken again. */
  isOld: fc.constantFrom(false, false, true),
});
const retakeStep = fc.record({
  kind: fc.constant('retake' as const),
  index: fc.integer({ min: 0, max: 4 }),
  outboxCountMax: fc.constantFrom(1_000, 1_000, 1_000, 3),
});
const returnStep = fc.record({
  kind: fc.constant('return' as const),
  index: fc.integer({ min: 0, max: 4 }),
  line: fc.integer({ min: 0, max: 2 }),
  units: fc.integer({ min: 1, max: 3 }),
  restock: fc.boolean(),
  /** True: an earlier return comes again. */
  isOld: fc.constantFrom(false, false, true),
});
const step = fc.oneof(
  { weight: 24, arbitrary: reserveStep },
  { weight: 12, arbitrary: settleStep },
  { weight: 8, arbitrary: retakeStep },
  { weight: 8, arbitrary: returnStep },
  { weight: 3, arbitrary: controlStep },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), isForced: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), count: fc.integer({ min: 1, max: 20 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('rebuild' as const),
      ends: fc.array(
        fc.constantFrom('pending' as const, 'paid' as const, 'cancelled' as const, 'expired' as const),
        {
          minLength: 4,
          maxLength: 4,
        },
      ),
      chunkOrders: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function toPatch(control: ModelControl): ControlPatch {
  const windows = {
    before: [FUTURE - 1, FUTURE],
    within: [PAST, FUTURE],
    // Sooner than the end of a cool-down, and later than that of a history.
    ending: [PAST, Date.now() + REJOIN_MS / 2],
    after: [PAST, PAST + 1],
  } as const;
  const [opensAt, closesAt] = windows[control.window];
  return {
    version: control.version,
    state: control.state,
    opensAt,
    closesAt,
    holdMs: control.holdMs,
    limitPerBuyer: control.limit,
    holdsPerBuyerMax: control.holdsMax,
    rejoinMs: control.hasRejoin ? REJOIN_MS : undefined,
    items: Object.entries(control.totals).map(([sku, total]) => ({
      sku,
      total,
      price: priceOf(sku),
      ...(sku === 'b' && control.multiple > 1 ? { step: control.multiple } : {}),
      ...(sku === 'a' && control.minQuantity > 1 ? { minQuantity: control.minQuantity } : {}),
      ...(sku === 'a' && control.limitOfA !== undefined ? { limitPerBuyer: control.limitOfA } : {}),
      ...(control.paused.includes(sku) ? { paused: true as const } : {}),
      ...(control.adjustments[sku] === undefined ? {} : { adjustment: control.adjustments[sku] }),
    })),
    ...(control.hasKits ? { kits: toKits(control.paused) } : {}),
    channels: Object.entries(control.caps).map(([id, cap]) => (cap === undefined ? { id } : { id, cap })),
  };
}

function toKits(paused: string[]): NonNullable<ControlPatch['kits']> {
  const parts = { k: { a: 1, b: 2 }, m: { b: 3 } };
  return Object.entries(parts).map(([sku, units]) => ({
    sku,
    price: priceOf(sku),
    parts: Object.entries(units).map(([part, quantity]) => ({ sku: part, quantity })),
    ...(paused.includes(sku) ? { paused: true as const } : {}),
  }));
}

/**
 * Compares records without their times, which only Redis knows. In an answer the random part of the id stands
 * for the record.
 */
function comparable(answer: ScriptAnswer | Error): unknown {
  if (!Array.isArray(answer)) return answer;
  const [outcome, ...rest] = answer;
  if (outcome === 'reserved' || outcome === 'known') {
    const { random, ended = 'pending' } = parseRecord(String(rest[0]));
    return [outcome, random, ended];
  }
  if (outcome === 'rejoin_later') return [outcome, rest[1]];
  return ['sale_not_open', 'late'].includes(String(outcome)) ? [outcome] : answer;
}

/** Whether each part of the lane has the stamp that the state says, or none has one. */
async function isAlike(redis: Redis, { keys, isStamped }: TestLane): Promise<boolean> {
  const { buyers, keys: ended, holds, returns } = keys;
  const parts = Object.entries({ buyers, keys: ended, holds, returns });
  const pairs = await Promise.all(
    parts.map(([name, key]) =>
      Promise.all([redis.hget(keys.state, `${name}_stamp`), redis.hget(key, STAMP)]),
    ),
  );
  return pairs.every(([said, is]) => said === is && (said !== null) === isStamped);
}

/** A hash of the lane without its stamp. */
async function readPart(redis: Redis, key: string): Promise<Record<string, string>> {
  const { [STAMP]: _stamp, ...fields } = await redis.hgetall(key);
  return fields;
}

async function readState(redis: Redis, { keys }: TestLane): Promise<ReturnType<Model['view']>> {
  const [state, buyers, ended, holds, returns, outbox] = await Promise.all([
    redis.hgetall(keys.state),
    readPart(redis, keys.buyers),
    readPart(redis, keys.keys),
    readPart(redis, keys.holds),
    readPart(redis, keys.returns),
    redis.xrange(keys.outbox, '-', '+'),
  ]);
  const group = (parts: string[]): Record<string, Record<string, number | undefined>> => {
    const groups: Record<string, Record<string, number | undefined>> = {};
    for (const [field, value] of Object.entries(state)) {
      const [name = '', part = ''] = field.split(':');
      if (parts.includes(part)) (groups[name] ??= {})[part] = value === '' ? undefined : Number(value);
    }
    return groups;
  };
  return {
    gate: state['gate'] as Model['gate'],
    epoch: Number(state['epoch']),
    fence: Number(state['fence']),
    sequence: Number(state['sequence']),
    version: Number(state['version']),
    state: state['state'] as ModelControl['state'],
    limit: state['limit'] === '' ? undefined : Number(state['limit']),
    holdsMax: state['holds_max'] === '' ? undefined : Number(state['holds_max']),
    paused: state['paused_skus'] ?? 'none',
    rules: state['quantity_rules'] ?? 'none',
    itemLimits: state['item_limits'] ?? 'none',
    kits: state['kits'] ?? 'none',
    adjusted: Object.fromEntries(
      Object.entries(state).flatMap(([field, text]) => {
        const [sku = '', part] = field.split(':');
        const [id = '', taken] = text.split(' ');
        return part === 'adjusted' ? [[sku, { id, taken: Number(taken) }]] : [];
      }),
    ),
    items: group(['total', 'available', 'held', 'paid', 'price']) as ReturnType<Model['view']>['items'],
    buyers: Object.fromEntries(Object.entries(buyers).map(([user, text]) => [user, readBuyer(text)])),
    channels: group(['cap', 'units', 'units_paid']) as ReturnType<Model['view']>['channels'],
    keys: readRecords(ended),
    holds: readRecords(holds),
    returns,
    outbox: outbox.map(([id]) => id),
  };
}

function readBuyer(text: string) {
  const [units = NaN, paid = NaN, holds = NaN, endedAt = NaN] = text.split(' ').map(Number);
  return { units, paid, holds, hasEnded: endedAt > 0, items: text.split(' ').slice(4).join(' ') };
}

function readRecords(hash: Record<string, string>): ReturnType<Model['view']>['keys'] {
  return Object.fromEntries(
    Object.entries(hash).map(([keyHash, text]) => {
      const record = parseRecord(text);
      const { userId, idempotencyKey, random, epoch, sequence, lines, ended, isRetake, ...rest } = record;
      const { reservedAt, expiresAt, channelId = '', ref = '' } = rest;
      const { bought } = record;
      const facts = { random, entry: `${epoch}-${sequence}`, holdMs: expiresAt - reservedAt, lines, bought };
      const status = ended ?? 'pending';
      const living = isRetake === true ? 2 : 1;
      const lives = ended === undefined ? living : 0;
      return [
        keyHash,
        { user: userId, key: idempotencyKey, ...facts, channel: channelId, ref, status, lives },
      ];
    }),
  );
}

class History {
  readonly lane: TestLane;
  readonly model: Model;
  #count = 0;

  constructor(lane: TestLane, model: Model) {
    this.lane = lane;
    this.model = model;
  }

  /** Has both sides take the step. @returns what each of them answered. */
  async take(taken: Step): Promise<{ actual: unknown; expected: unknown }> {
    const { lane, model } = this;
    switch (taken.kind) {
      case 'reserve': {
        const { isOtherProcess, outboxCountMax, isLate } = taken;
        const requests = taken.batch.map((request): ModelRequest => {
          this.#count += 1;
          const random = `random-${this.#count}`.padEnd(16, '_');
          return { ...request, random, isOtherProcess, outboxCountMax, isLate };
        });
        const answers = await lane.reserveAll(requests, {
          outboxCountMax,
          ...(isOtherProcess ? { runId: 'other' } : {}),
          ...(isLate ? { deadline: PAST } : {}),
        });
        // The model knows no batches. The model decides the requests one after the other.
        return { actual: answers.map(comparable), expected: requests.map((one) => model.reserve(one)) };
      }
      case 'settle': {
        const order = model.orders[taken.index];
        const random = order === undefined ? 'unknown'.padEnd(16, '_') : order.random;
        const retake = order?.isRetake === true && !taken.isOld ? order.entry : undefined;
        const [result] = await lane.settle(suffixOf({ ...order, random }), taken.verdict, retake);
        return { actual: [result], expected: model.settle(random, taken.verdict, retake) };
      }
      case 'return':
        return this.#giveBack(taken);
      case 'retake': {
        const { index, outboxCountMax } = taken;
        const order = model.orders[index];
        const random = order === undefined ? 'unknown'.padEnd(16, '_') : order.random;
        const [outcome, text] = await lane.retake(suffixOf({ ...order, random }), { outboxCountMax });
        const named = text === undefined ? [] : [retakeOf(parseRecord(String(text)))];
        return { actual: [outcome, ...named], expected: model.retake(random, outboxCountMax) };
      }
      case 'control': {
        const limitOfA = model.control.limitOfA === undefined ? undefined : taken.limitOfA;
        const version = Math.max(1, model.control.version + taken.step);
        const { hasKits } = model.control;
        const control: ModelControl = { ...taken, hasKits, limitOfA, version };
        return { actual: await lane.control(toPatch(control)), expected: model.apply(control) };
      }
      case 'close': {
        const answer = await lane.close({ force: taken.isForced });
        return { actual: answer, expected: model.close(taken.isForced) };
      }
      case 'open': {
        return { actual: await lane.open(model.epoch), expected: model.open() };
      }
      case 'trim': {
        const last = model.outbox[Math.min(taken.count, model.outbox.length) - 1] ?? '1-0';
        await lane.lease('model', 60_000);
        const trimmed = await lane.trim('model', last);
        return { actual: trimmed, expected: model.outbox.splice(0, taken.count).length };
      }
      case 'rebuild':
        return this.#rebuild(taken);
    }
  }

  async #giveBack({ index, line, units, restock, isOld }: Extract<Step, { kind: 'return' }>) {
    const { lane, model } = this;
    const order = model.orders[index];
    const random = order === undefined ? 'unknown'.padEnd(16, '_') : order.random;
    const returned = { ...order?.returned };
    const bought = order?.lines[line % order.lines.length];
    const sku = bought?.sku ?? 'a';
    const [before, restocked] = returned[sku] ?? [0, 0];
    const quantity = Math.min(units, (bought?.quantity ?? units) - before);
    const isRepeat = isOld || quantity === 0;
    const number = (order?.returnNumber ?? 0) + (isRepeat ? 0 : 1);
    if (!isRepeat) returned[sku] = [before + quantity, restocked + (restock ? quantity : 0)];
    // Nothing of this order has come back so far, so no earlier return could come again.
    if (number === 0) return { actual: 0, expected: 0 };
    const actual = await lane.giveBack(suffixOf({ ...order, random }), number, returned);
    return { actual, expected: model.giveBack(random, number, returned) };
  }

  async #rebuild({ ends, chunkOrders }: Extract<Step, { kind: 'rebuild' }>) {
    const { lane, model } = this;
    const epoch = model.epoch + 1;
    const control = toPatch(model.control);
    if (model.gate === 'open') {
      return { actual: await lane.loadChunk({ epoch, control }), expected: ['open'] };
    }
    if (!model.rebuild((index) => ends[index % ends.length] ?? 'paid')) {
      return { actual: await lane.loadChunk({ epoch, control }), expected: ['outbox_not_empty'] };
    }
    const orders = model.orders.map(({ user, key, random, channel, ref, holdMs, status, ...order }) => {
      if (status === 'refused') throw new Error('a snapshot has no refused orders');
      // Order keeps the first epoch and sequence, whatever was taken again.
      const [epochOf, sequence] = order.firstEntry.split('-').map(Number);
      return lane.order({
        random,
        epoch: epochOf ?? 0,
        sequence: sequence ?? 0,
        userId: user,
        idempotencyKey: key,
        lines: order.lines,
        ...(order.bought === undefined ? {} : { bought: order.bought }),
        status,
        reservedAt: CREATED_AT,
        expiresAt: CREATED_AT + holdMs,
        ...(status === 'cancelled' ? { endedAt: CREATED_AT + 1 } : {}),
        ...(order.returnNumber === 0 ? {} : { returned: toReturned(order) }),
        ...(channel === '' ? {} : { channelId: channel }),
        ...(ref === '' ? {} : { ref }),
      });
    });
    const chunks = Math.max(1, Math.ceil(orders.length / chunkOrders));
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      const part = orders.slice(chunk * chunkOrders, (chunk + 1) * chunkOrders);
      const isLast = chunk === chunks - 1;
      t.same(await lane.loadChunk({ epoch, chunk, isLast, control, orders: part }), ['loaded', chunk]);
    }
    return { actual: await lane.inspect().then(([gate]) => gate), expected: 'rebuilding' };
  }
}

function toReturned({ returnNumber, returned }: Pick<Model['orders'][number], 'returnNumber' | 'returned'>) {
  const lines = Object.entries(returned).map(([sku, [units, restocked]]) => ({
    sku,
    returned: units,
    restocked,
  }));
  return { number: returnNumber, lines };
}

const redis = await connect(t);

await t.test('random histories give the answers and the state of the model', async (t) => {
  const initial: ModelControl = {
    version: 1,
    state: 'open',
    window: 'within',
    holdMs: 900_000,
    limit: 6,
    holdsMax: 3,
    hasRejoin: false,
    paused: [],
    multiple: 1,
    minQuantity: 1,
    limitOfA: undefined,
    hasKits: false,
    adjustments: {},
    totals: { a: 6, b: 12 },
    caps: { x: 5, y: undefined },
  };
  const outcomes = new Map<string, number>();
  const steps = fc.array(step, { minLength: 1, maxLength: HISTORY_MAX, size: 'max' });
  const kinds = fc.record({ hasRejoin: fc.boolean(), isLimited: fc.boolean(), hasKits: fc.boolean() });
  // A lane of a cluster has stamps, and neither answers nor does otherwise.
  const agree = fc.asyncProperty(
    kinds,
    fc.boolean(),
    steps,
    async ({ isLimited, ...kind }, isStamped, steps) => {
      const first = { ...initial, ...kind, limitOfA: isLimited ? 3 : undefined };
      const lane = await openLane(t, toPatch(first), [], redis, isStamped);
      const history = new History(lane, new Model(first));
      for (const [index, taken] of steps.entries()) {
        const { actual, expected } = await history.take(taken);
        if (!t.strictSame(actual, expected, `step ${index}: ${JSON.stringify(taken)}`))
          throw new Error('answers differ');
        if (!(await isAlike(redis, lane))) throw new Error('stamps differ');
        if (!t.strictSame(await readState(redis, lane), history.model.view()))
          throw new Error('states differ');
        for (const name of toNames(taken, expected, first.hasKits))
          outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
      }
      await redis.del(...Object.values(lane.keys));
    },
  );
  // A short round often misses the rarest outcome, so histories go on until each came up. Ten rounds were too
  // few: one campaign of ten never met `limit_reached`.
  const missing = (): string[] => SOMETIMES.filter((name) => !outcomes.has(name));
  const seed = seedOf(process.env['SECKILL_SEED']);
  for (let round = 0; round === 0 || (round < ROUNDS_MAX && missing().length > 0); round += 1) {
    await fc.assert(agree, { numRuns: RUNS, ...seed });
  }
  t.comment(JSON.stringify(Object.fromEntries([...outcomes].sort())));
  t.same(missing(), [], 'each outcome came up');
  t.equal(makeControl('s', toPatch(initial)).limitPerBuyer, 6);
});

/** The names under which a step is counted. */
function toNames(step: Step, expected: unknown, hasKits: boolean): string[] {
  const { kind } = step;
  if (kind === 'control')
    return (expected as unknown[]).length > 4 && (expected as unknown[])[0] === 'applied'
      ? [kind, 'adjusted']
      : [kind];
  if (kind === 'reserve') {
    return (expected as unknown[][]).flatMap(([outcome, , , , sku], index) => {
      const names = [
        outcome === 'limit_reached' && sku !== undefined ? 'item_limit_reached' : String(outcome),
      ];
      const isKit = step.batch[index]?.lines.some(([one]) => one === 'k' || one === 'm') === true;
      return hasKits && isKit ? [...names, `kit_${String(outcome)}`] : names;
    });
  }
  if (kind === 'return' && !Array.isArray(expected)) return [kind];
  const isNamed = kind === 'settle' || kind === 'retake' || kind === 'return';
  return isNamed ? [String((expected as unknown[])[0])] : [kind];
}

function seedOf(text: string | undefined): { seed?: number } {
  return text === undefined ? {} : { seed: Number(text) };
}
