import { randomBytes } from 'node:crypto';
import { laneOf, parseReservationId, type ControlState, type SnapshotOrder } from '@seckill/contracts';
import { createLogger, createRedis, readRunId } from '@seckill/runtime';
import {
  laneKeys,
  LANES_PER_SALE,
  scriptKeys,
  STAMP,
  type Lane,
} from '../../../../services/stock/src/redis/keys.ts';
import {
  formatReturned,
  parseRecord,
  reservationIdOf,
  retakeOf,
  toLoadArguments,
  toLoadOrder,
} from '../../../../services/stock/src/redis/hold-record.ts';
import { keyHashOf, makeRandoms, splitSuffix } from '../../../../services/stock/src/redis/reservation-id.ts';
import { defineScripts, type ScriptAnswer } from '../../../../services/stock/src/redis/scripts.ts';
import type { Redis } from 'ioredis';
import type { Test } from 'tap';

/** The window's ends lie so far away that no test meets them by itself. */
export const PAST = 1;
export const FUTURE = 4_000_000_000_000;

export interface Request {
  user?: string;
  key?: string;
  keyHash?: string;
  random?: string;
  channel?: string;
  ref?: string;
  extra?: string;
  traceparent?: string;
  lines?: [sku: string, quantity: number | string][];
  runId?: string;
  outboxCountMax?: number;
  deadline?: number;
}

/** A bound may be given as undefined, which means that there is none. */
type Bound = 'limitPerBuyer' | 'holdsPerBuyerMax' | 'rejoinMs';

export type ControlPatch = Partial<Omit<ControlState, 'saleId' | Bound>> & {
  [name in Bound]?: number | undefined;
};

/** A connection that knows the scripts. The connection is closed with the test. */
export async function connect(t: Test, url = process.env['REDIS_URL'] ?? ''): Promise<Redis> {
  const redis = createRedis(url, createLogger('test', 'silent'));
  defineScripts(redis);
  await redis.connect();
  t.teardown(() => {
    redis.disconnect();
  });
  return redis;
}

export function makeControl(saleId: string, patch: ControlPatch = {}): ControlState {
  const { limitPerBuyer, holdsPerBuyerMax, rejoinMs, ...rest } = patch;
  return {
    saleId,
    version: 1,
    distrustedEpoch: 0,
    state: 'open',
    lanes: 1,
    opensAt: PAST,
    closesAt: FUTURE,
    holdMs: 900_000,
    currency: 'CNY',
    items: [
      { sku: 'a', price: 2_990, total: 3 },
      { sku: 'b', price: 10, total: 100 },
    ],
    channels: [{ id: 'x', cap: 50 }, { id: 'free' }],
    ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
    ...(holdsPerBuyerMax === undefined ? {} : { holdsPerBuyerMax }),
    ...(rejoinMs === undefined ? {} : { rejoinMs }),
    ...rest,
  };
}

/** What reserve.lua answers when one line is short. `mayComeBack` says that a repeat may succeed. */
export function soldOut(
  sku: string,
  available: number,
  { isFinal = false, mayComeBack = !isFinal }: { isFinal?: boolean; mayComeBack?: boolean } = {},
): ScriptAnswer {
  const flags = [isFinal ? 1 : 0, mayComeBack ? 1 : 0];
  return ['sold_out', sku, available, ...flags, sku, 'sold_out', available];
}

/** What a lane knows of a buyer whose holds live or were paid. */
export function buyerText({
  units,
  paid = 0,
  holds = 1,
}: {
  units: number;
  paid?: number;
  holds?: number;
}): string {
  return `${units} ${paid} ${holds} 0`;
}

export function makeRandom(): string {
  return makeRandoms(1)[0] ?? '';
}

/** The end of a reservation's id, by which the reservation is settled. */
export function suffixOf({
  user = 'u1',
  key = '',
  random = makeRandom(),
}: Pick<Request, 'user' | 'key' | 'random'>): string {
  return random + keyHashOf(user, key);
}

/** A test's own lane. Every call goes through the typed commands, as stock's calls do. */
export class TestLane {
  readonly redis: Redis;
  readonly runId: string;
  readonly lane: Lane;
  readonly keys: ReturnType<typeof laneKeys>;
  /** Loads give the lane stamps, as on a cluster. */
  isStamped = false;
  #requests = 0;
  #orders = 0;

  constructor(redis: Redis, runId: string, saleId = `t-${randomBytes(8).toString('hex')}`) {
    this.redis = redis;
    this.runId = runId;
    this.lane = { saleId, lane: laneOf('u1', LANES_PER_SALE) };
    this.keys = laneKeys(this.lane);
  }

  /** The same lane over another connection. */
  over(redis: Redis): TestLane {
    return new TestLane(redis, this.runId, this.lane.saleId);
  }

  /** A batch of one. @throws the error that stands in the place of its answer. */
  async reserve(request: Request = {}): Promise<ScriptAnswer> {
    const [answer] = await this.reserveAll([request], request);
    if (!Array.isArray(answer)) throw answer ?? new Error('no answer');
    return answer;
  }

  /** Reserves for all of them in one call. */
  reserveAll(
    requests: Request[],
    {
      runId = this.runId,
      outboxCountMax = 1_000_000,
      deadline = FUTURE,
    }: Pick<Request, 'runId' | 'outboxCountMax' | 'deadline'> = {},
  ): Promise<(ScriptAnswer | Error)[]> {
    const words = requests.flatMap((request) => {
      this.#requests += 1;
      const {
        user = 'u1',
        key = `key-${this.#requests}`,
        random = makeRandom(),
        lines = [['a', 1]],
      } = request;
      const {
        keyHash = keyHashOf(user, key),
        channel = '',
        ref = '',
        traceparent = '',
        extra = '',
      } = request;
      return [user, key, keyHash, random, channel, ref, traceparent, extra, lines.length, ...lines.flat()];
    });
    return this.redis.reserve(scriptKeys('reserve', this.lane), runId, outboxCountMax, deadline, ...words);
  }

  control(patch: ControlPatch, runId = this.runId): Promise<ScriptAnswer> {
    const control = makeControl(this.lane.saleId, patch);
    return this.redis.control(scriptKeys('control', this.lane), runId, JSON.stringify(control));
  }

  close(options: { force?: boolean; runId?: string } = {}): Promise<ScriptAnswer> {
    const force = options.force === true ? '1' : '0';
    return this.redis.close(scriptKeys('close', this.lane), options.runId ?? this.runId, force);
  }

  async loadChunk(options: {
    epoch: number;
    chunk?: number;
    isLast?: boolean;
    control?: ControlPatch;
    orders?: SnapshotOrder[];
  }): Promise<ScriptAnswer> {
    const { epoch, chunk = 0, isLast = true, control = {}, orders = [] } = options;
    const answer = await this.redis.load(
      scriptKeys('load', this.lane),
      epoch,
      chunk,
      isLast ? '1' : '0',
      chunk === 0 ? JSON.stringify(makeControl(this.lane.saleId, control)) : '',
      ...toLoadArguments(orders.map((order) => toLoadOrder(order, 'CNY'))),
    );
    if (this.isStamped && chunk === 0 && answer[0] === 'loaded') await this.#stamp(isLast);
    return answer;
  }

  /** What load.lua adds on a cluster, after a first chunk. */
  async #stamp(isLast: boolean): Promise<void> {
    const { state, buyers, keys, holds, returns } = this.keys;
    // A chunk that came twice changes nothing.
    if ((await this.redis.hget(state, 'holds_stamp')) !== null) return;
    await this.redis.hset(state, 'loaded', isLast ? '3' : '3 partly');
    for (const [name, key] of Object.entries({ buyers, keys, holds, returns })) {
      await this.redis.hset(state, `${name}_stamp`, '1');
      await this.redis.hset(key, STAMP, '1');
    }
  }

  /** The sequence and the fence that order is asked about. */
  async place(): Promise<{ sequence: number; fence: number }> {
    const [sequence, fence] = await this.redis.hmget(this.keys.state, 'sequence', 'fence');
    return { sequence: Number(sequence), fence: Number(fence) };
  }

  /** Opens the lane by a permission that order would grant now, unless an earlier permission is given. */
  async open(
    epoch: number,
    runId = this.runId,
    granted?: { sequence: number; fence: number },
  ): Promise<ScriptAnswer> {
    const { sequence, fence } = granted ?? (await this.place());
    return this.redis.open(scriptKeys('open', this.lane), runId, epoch, sequence, fence);
  }

  inspect(runId = this.runId): Promise<ScriptAnswer> {
    return this.redis.inspect(scriptKeys('inspect', this.lane), runId);
  }

  /** @param retake names a hold that was taken again. */
  settle(suffix: string, verdict: string, retake = ''): Promise<ScriptAnswer> {
    const { random, keyHash } = splitSuffix(suffix);
    return this.redis.settle(scriptKeys('settle', this.lane), random, keyHash, verdict, retake);
  }

  /** What came back so far of each SKU: the units, and how many of them are for sale again. */
  giveBack(
    suffix: string,
    number: number,
    lines: Record<string, [returned: number, restocked: number]>,
  ): Promise<ScriptAnswer> {
    const { random, keyHash } = splitSuffix(suffix);
    const text = formatReturned({
      number,
      lines: Object.entries(lines).map(([sku, [returned, restocked]]) => ({ sku, returned, restocked })),
    });
    return this.redis.return(scriptKeys('return', this.lane), random, keyHash, text);
  }

  retake(
    suffix: string,
    { runId = this.runId, outboxCountMax = 1_000_000 }: Pick<Request, 'runId' | 'outboxCountMax'> = {},
  ): Promise<ScriptAnswer> {
    const { random, keyHash } = splitSuffix(suffix);
    return this.redis.retake(scriptKeys('retake', this.lane), runId, outboxCountMax, random, keyHash);
  }

  /** Takes the units of an expired hold again. @returns the name of the retake. */
  async takeAgain(suffix: string): Promise<string> {
    const [outcome, text] = await this.retake(suffix);
    if (outcome !== 'retaken') throw new Error(String(outcome));
    return retakeOf(parseRecord(String(text))) ?? '';
  }

  /** Reserves. @returns the end of its id. @throws when it is refused. */
  async hold(request: Request = {}): Promise<string> {
    const [outcome, text] = await this.reserve(request);
    if (outcome !== 'reserved') throw new Error(String(outcome));
    return parseReservationId(reservationIdOf(this.lane, parseRecord(String(text))))?.suffix ?? '';
  }

  retire(): Promise<ScriptAnswer> {
    return this.redis.retire(scriptKeys('retire', this.lane));
  }

  lease(token: string, leaseMs: number): Promise<number> {
    return this.redis.lease(scriptKeys('lease', this.lane), token, leaseMs);
  }

  trim(token: string, entryId: string): Promise<number> {
    return this.redis.trim(scriptKeys('trim', this.lane), token, entryId);
  }

  /** Empties the outbox, as a relay does that has published everything. */
  async trimAll(): Promise<void> {
    await this.lease('test', 60_000);
    await this.trim('test', '999999-0');
  }

  /**
   * Reads every key of the lane. A rejected request must leave all of it as it was. A hash is read field by
   * field, because Redis moves its fields while they are only read.
   */
  async dump(): Promise<Record<string, unknown>> {
    const dumps: (readonly [string, unknown])[] = await Promise.all(
      Object.entries(this.keys).map(async ([part, key]) => {
        if ((await this.redis.type(key)) === 'hash') return [part, await this.redis.hgetall(key)] as const;
        const bytes = await this.redis.dumpBuffer(key);
        return [part, (bytes as Buffer | null)?.toString('hex')] as const;
      }),
    );
    return Object.fromEntries(dumps);
  }

  item(sku: string): Promise<(number | undefined)[]> {
    return this.redis
      .hmget(this.keys.state, ...['total', 'available', 'held', 'paid'].map((name) => `${sku}:${name}`))
      .then((counts) => counts.map((count) => (count === null ? undefined : Number(count))));
  }

  order(patch: Partial<SnapshotOrder> & { random?: string } = {}): SnapshotOrder {
    this.#orders += 1;
    const { random = makeRandom(), ...facts } = patch;
    const { userId = 'u1', idempotencyKey = makeRandom() } = facts;
    return {
      reservationId: reservationIdOf(this.lane, { userId, idempotencyKey, random }),
      epoch: 1,
      sequence: this.#orders,
      userId,
      idempotencyKey,
      lines: [{ sku: 'a', quantity: 1, price: 2_990 }],
      reservedAt: 1_000,
      expiresAt: 901_000,
      status: 'pending',
      ...facts,
    };
  }
}

/** A lane that nobody has created yet. */
export async function makeLane(t: Test, redis?: Redis): Promise<TestLane> {
  const connection = redis ?? (await connect(t));
  const lane = new TestLane(connection, await readRunId(connection));
  t.teardown(async () => {
    if (connection.status === 'ready') await connection.del(...Object.values(lane.keys));
  });
  return lane;
}

/** A lane that is loaded under epoch 1 and open. */
export async function openLane(
  t: Test,
  control: ControlPatch = {},
  orders: SnapshotOrder[] = [],
  redis?: Redis,
  isStamped = false,
): Promise<TestLane> {
  const lane = await makeLane(t, redis);
  lane.isStamped = isStamped;
  await lane.close();
  t.same(await lane.loadChunk({ epoch: 1, control, orders }), ['loaded', 0]);
  t.same(await lane.open(1), ['opened']);
  return lane;
}
