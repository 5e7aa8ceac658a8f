import {
  LIMITS,
  RESERVATION_CREATED,
  TOPICS,
  type KafkaEnds,
  type Snapshot,
  type SnapshotPage,
} from '@seckill/contracts';
import {
  invariant,
  InvariantError,
  type Clock,
  type Logger,
  type OutgoingMessage,
  type Publisher,
  splitByBytes,
} from '@seckill/runtime';
import type { Acknowledged } from './high-water-marks.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { parseCount, type LaneCount } from '../redis/lane-state.ts';
import type { ReadHolds, StoredHold } from '../redis/holds.ts';
import type { KafkaOffsets } from '../kafka-offsets.ts';
import { formatLane, laneKeys, LANES_KEY, scriptKeys, type Lane } from '../redis/keys.ts';
import { toOrphanMessage } from '../relay/reservation-message.ts';
import type { GateMetrics } from './metrics.ts';
import type { OrderClient } from '../order-client.ts';
import { parseRecord, reservationIdOf, toLoadOrder, type ReservationRecord } from '../redis/hold-record.ts';
import type { Settle } from '../settler/settlements.ts';

/** The lane cannot be opened or controlled now; whoever asked repeats its call. */
export class LaneError extends Error {
  override readonly name = 'LaneError';
  readonly code: 'SECKILL_LANE_NOT_READY' | 'SECKILL_LANE_KEPT';
  constructor(message: string, kind: 'not_ready' | 'kept' = 'not_ready') {
    super(message);
    this.code = kind === 'kept' ? 'SECKILL_LANE_KEPT' : 'SECKILL_LANE_NOT_READY';
  }
}

export interface GateOptions {
  connections: Pick<Connections, 'of' | 'registry' | 'isMoving' | 'isCluster'>;
  orderClient: Pick<OrderClient, 'takeSnapshot' | 'readSnapshotPage' | 'askOpening' | 'readVerdicts'>;
  offsets: Pick<KafkaOffsets, 'readEnds'>;
  publisher: Publisher;
  readHolds: ReadHolds;
  settle: Settle;
  acknowledged: Acknowledged;
  clock: Clock;
  logger: Logger;
  metrics: GateMetrics;
  /** Ours alone; as for a relay. */
  token: string;
  /** Told of each step before it is taken; for progress and for tests. */
  onStep?: (step: GateStep, lane: Lane) => void;
}

export type GateStep = 'close' | 'drain' | 'ends' | 'snapshot' | 'load' | 'verdicts' | 'opening' | 'open';

export interface OpenOptions {
  /** Load it anew whatever it holds. */
  isForced?: boolean;
  /** Load it anew if it stands at this epoch or below. */
  distrustedEpoch?: number;
}

/** What is renewed at every step; a process that died or sleeps holds the others up for this long. */
const KEEPER_MS = 10_000;
/** The relay needs 10 ms for a batch of 500 entries; the bound of 100,000 entries takes some seconds. */
const DRAIN_MS = 10_000;
const DRAIN_POLL_MS = 20;
/** Beyond it another rebuilder or late rows keep interfering, and the caller repeats. */
const ROUNDS_MAX = 3;

/**
 * Opens a lane after what it holds was compared with Postgres, or was loaded from there: check and rebuild of
 * recovery.md. Everything it did before it died is found by the next one, or done again under a later epoch.
 */
export class Gate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /**
   * Returns when the lane is open. One process at a time does it; safety does not hang on that, only that two do not
   * load against each other for ever.
   * @throws LaneError, OrderError, UpstreamError, KafkaAwayError, UnservedError, kafkajs' or ioredis' error: the lane stays
   * closed, call again.
   */
  async open(lane: Lane, options: OpenOptions = {}): Promise<void> {
    const told = this.#options.acknowledged.copy();
    const count = await this.count(lane);
    if (count.gate === 'open' && !mustLoad(lane, count, told, options)) return;
    await this.#keep(lane);
    try {
      await this.#open(lane, options);
    } finally {
      // It ends by itself after KEEPER_MS.
      await this.#release(lane).catch(() => undefined);
    }
  }

  async count(lane: Lane): Promise<LaneCount> {
    const { redis, runId } = this.#connection(lane);
    return parseCount(await redis.count(scriptKeys('count', lane), runId));
  }

  /**
   * The list of lanes is kept by one node and the lanes by others: what it lost, they have not. One command, and no write
   * where nothing is missing. @throws ioredis' error, UnservedError.
   */
  async register(lanes: Lane[]): Promise<void> {
    if (lanes.length > 0)
      await this.#options.connections.registry.redis.sadd(LANES_KEY, lanes.map(formatLane));
  }

  async #open(lane: Lane, options: OpenOptions): Promise<void> {
    const { logger, metrics } = this.#options;
    const stopTimer = metrics.openSeconds.startTimer();
    const told = this.#options.acknowledged.copy();
    const count = await this.count(lane);
    const isUnsound = mustLoad(lane, count, told, options) || this.#mayBeTorn(count);
    // Another process was quicker.
    if (count.gate === 'open' && !isUnsound) return;
    this.#assertWhole(lane);
    if (isUnsound && count.isLoaded) logger.warn({ ...lane, ...options }, 'gate: the lane is loaded anew');
    await this.#close(lane, isUnsound);
    const isCompared = count.isLoaded && (await this.#compare(lane, isUnsound));
    if (!isCompared) await this.#rebuild(lane);
    stopTimer();
    metrics.opened.inc({ way: isCompared ? 'compared' : 'loaded' });
  }

  /**
   * Check. Its holds are looked at even when the lane is to be loaded anew: what only Redis knows must be in Kafka first.
   * @returns whether it is open.
   */
  async #compare(lane: Lane, mustLoad: boolean): Promise<boolean> {
    const ends = await this.#drain(lane);
    const isSound = await this.#settleEnded(lane, ends);
    return isSound && !mustLoad && (await this.#openAs(lane, await this.#drain(lane)));
  }

  async #rebuild(lane: Lane): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      await this.#load(lane, await this.#drain(lane));
      const ends = await this.#drain(lane);
      if ((await this.#settleEnded(lane, ends)) && (await this.#openAs(lane, ends))) return;
    }
    throw new LaneError('what order knows keeps changing under the rebuild');
  }

  /** A missing lane is closed already; it comes into being only once order has given a snapshot of it. */
  async #close(lane: Lane, isForced: boolean): Promise<void> {
    this.#step('close', lane);
    if ((await this.count(lane)).gate === 'missing') return;
    const { redis, runId } = this.#connection(lane);
    await redis.close(scriptKeys('close', lane), runId, isForced ? '1' : '0');
  }

  /**
   * Everything that was reserved is in Kafka then, below the ends that are read after it (INV-2). The outbox is never
   * emptied by hand.
   * @returns undefined while Kafka is away: order decides whether it needs them.
   */
  async #drain(lane: Lane): Promise<KafkaEnds | undefined> {
    const { clock, offsets, logger } = this.#options;
    this.#step('drain', lane);
    const deadline = clock.now() + DRAIN_MS;
    while ((await this.count(lane)).outbox > 0) {
      if (clock.now() > deadline) throw new LaneError('the relay has not emptied the outbox yet');
      await this.#keep(lane);
      await clock.sleep(DRAIN_POLL_MS);
    }
    this.#step('ends', lane);
    try {
      return await offsets.readEnds();
    } catch (error) {
      logger.warn({ err: error, ...lane }, 'gate: kafka does not tell its ends');
      return undefined;
    }
  }

  /** Page by page, each its own chunk, so that neither side ever holds a whole sale in memory. */
  async #load(lane: Lane, ends: KafkaEnds | undefined): Promise<void> {
    const { orderClient, acknowledged, logger, metrics } = this.#options;
    this.#step('snapshot', lane);
    const { epoch } = await this.count(lane);
    // Of a Redis and a Postgres that were both put back: what was told under a later epoch must not be told again.
    const above = Math.max(epoch, acknowledged.epochOf(lane));
    const snapshot = await orderClient.takeSnapshot(lane.saleId, { above, ...(ends && { ends }) });
    await this.#create(lane);
    let page: SnapshotPage = snapshot;
    let orders = 0;
    for (let chunk = 0; ; chunk += 1) {
      this.#step('load', lane);
      const [outcome] = await this.#connection(lane).redis.load(
        scriptKeys('load', lane),
        snapshot.epoch,
        chunk,
        page.after === undefined ? '1' : '0',
        chunk === 0 ? JSON.stringify(snapshot.control) : '',
        formatOrders(page, snapshot),
      );
      // `epoch_not_higher`, `open`: another process was here since the snapshot.
      if (outcome !== 'loaded') throw new LaneError(`load.lua answered ${String(outcome)}`);
      orders += page.orders.length;
      if (page.after === undefined) break;
      await this.#keep(lane);
      page = await orderClient.readSnapshotPage(lane.saleId, page.after);
    }
    metrics.loadedOrders.inc(orders);
    logger.info({ ...lane, epoch: snapshot.epoch, orders }, 'gate: lane is loaded');
  }

  /** Registered before it exists: a lane nobody lists would have an outbox nobody relays. */
  async #create(lane: Lane): Promise<void> {
    await this.register([lane]);
    const { redis, runId } = this.#connection(lane);
    await redis.close(scriptKeys('close', lane), runId, '0');
    // And after: a relay that found it missing in between has taken it off the list (retirement.ts).
    await this.register([lane]);
  }

  /**
   * Asks order about every hold. What ended there is settled here: between snapshot and load, or in a tail of the AOF
   * that Redis lost, a settlement may have gone by for good. What order does not know was lost by Kafka, and is
   * published again from the hold; a rebuild would drop it, and with it a buyer's reservation (INV-2).
   * @returns false when a settlement contradicts the lane, or a hold cannot be read; after all the others were looked at.
   */
  async #settleEnded(lane: Lane, ends: KafkaEnds | undefined): Promise<boolean> {
    const { readHolds } = this.#options;
    this.#step('verdicts', lane);
    let isSound = true;
    let cursor = '0';
    do {
      const page = await readHolds(lane, cursor, LIMITS.rebuildPageMax);
      cursor = page.cursor;
      // HSCAN answers a small hash whole, whatever the count.
      for (let start = 0; start < page.holds.length; start += LIMITS.rebuildPageMax) {
        const holds = page.holds.slice(start, start + LIMITS.rebuildPageMax);
        if (!(await this.#settlePage(lane, holds, ends))) isSound = false;
        await this.#keep(lane);
      }
    } while (cursor !== '0');
    return isSound;
  }

  async #settlePage(lane: Lane, holds: StoredHold[], ends: KafkaEnds | undefined): Promise<boolean> {
    const { orderClient, settle, metrics, logger } = this.#options;
    const byId = this.#readRecords(lane, holds);
    let isSound = byId.size === holds.length;
    if (byId.size === 0) return isSound;
    const request = { reservationIds: [...byId.keys()], ...(ends && { ends }) };
    const { ended, unknown } = await orderClient.readVerdicts(lane.saleId, request);
    const answers = ended.length === 0 ? [] : await settle(ended);
    for (const answer of answers) {
      if (answer.result === 'unanswered') throw answer.error;
      if (answer.result === 'broken') {
        logger.error({ err: answer.error, ...lane }, 'gate: the lane contradicts a settlement');
        isSound = false;
      }
    }
    metrics.settledHolds.inc(ended.length);
    await this.#publishAgain(
      lane,
      unknown.map((id) => byId.get(id)),
    );
    return isSound;
  }

  /** By reservation id. As in orphaned-holds.ts: one broken hold must not end the role that serves every sale. */
  #readRecords(lane: Lane, holds: StoredHold[]): Map<string, ReservationRecord> {
    const records = new Map<string, ReservationRecord>();
    for (const { keyHash, record: text } of holds) {
      try {
        const record = parseRecord(text);
        records.set(reservationIdOf(lane, record), record);
      } catch (error) {
        if (!(error instanceof InvariantError)) throw error;
        this.#options.logger.error({ err: error, ...lane, keyHash }, 'gate: a hold cannot be read');
      }
    }
    return records;
  }

  async #publishAgain(lane: Lane, records: (ReservationRecord | undefined)[]): Promise<void> {
    const { publisher, metrics, logger } = this.#options;
    const messages: OutgoingMessage[] = [];
    for (const record of records) {
      invariant(record !== undefined, 'order names holds that it was asked about');
      try {
        messages.push(toOrphanMessage(lane, record));
      } catch (error) {
        if (!(error instanceof InvariantError)) throw error;
        logger.error({ err: error, ...lane }, 'gate: a hold cannot be published again');
      }
    }
    if (messages.length === 0) return;
    for (const part of splitByBytes(messages)) {
      await publisher.publish(TOPICS.reservations, RESERVATION_CREATED, part);
    }
    metrics.publishedAgain.inc(messages.length);
    logger.error(
      { ...lane, count: messages.length },
      'gate: holds that order does not know are published again',
    );
  }

  /** @returns false when order does not let it open, or another closed it meanwhile. */
  async #openAs(lane: Lane, ends: KafkaEnds | undefined): Promise<boolean> {
    const { orderClient, logger, acknowledged } = this.#options;
    const { runId } = this.#connection(lane);
    const count = await this.count(lane);
    const { epoch, sequence, version, closing } = count;
    if (!count.isLoaded || acknowledged.isAhead(lane, count)) return false;
    this.#step('opening', lane);
    const request = { lane: lane.lane, epoch, sequence, version, ...(ends && { ends }) };
    const opening = await orderClient.askOpening(lane.saleId, request);
    if (!opening.granted) {
      logger.warn({ ...lane, epoch, sequence, refusal: opening.refusal }, 'gate: order does not let it open');
      return false;
    }
    // Granted under one Redis process, so opened under the same one.
    const { redis, runId: after } = this.#connection(lane);
    if (after !== runId) throw new LaneError('Redis restarted during the check');
    this.#assertWhole(lane);
    this.#step('open', lane);
    const keys = scriptKeys('open', lane);
    const [outcome] = await redis.open(keys, runId, epoch, sequence, closing);
    if (outcome !== 'opened') throw new LaneError(`open.lua answered ${String(outcome)}`);
    logger.info({ ...lane, epoch, sequence }, 'lane is open');
    return true;
  }

  /** Takes or renews the right to work on the lane. */
  async #keep(lane: Lane): Promise<void> {
    const { redis } = this.#connection(lane);
    const isOurs = (await redis.lease([laneKeys(lane).keeper], this.#options.token, KEEPER_MS)) === 1;
    if (!isOurs) throw new LaneError('another process checks or rebuilds the lane', 'kept');
  }

  async #release(lane: Lane): Promise<void> {
    await this.#options.connections.of(lane).redis.lease([laneKeys(lane).keeper], this.#options.token, 0);
  }

  /**
   * In a cluster the keys of a lane travel one by one. A failover or an end of the journey in between may leave some of
   * them behind, among them those that no comparison looks at: a buyer's keys and counts (INV-4, INV-6). So whatever is
   * closed there is loaded anew.
   */
  #mayBeTorn({ gate }: LaneCount): boolean {
    return this.#options.connections.isCluster && gate !== 'open';
  }

  #step(step: GateStep, lane: Lane): void {
    this.#options.onStep?.(step, lane);
  }

  /** What is on its way to another node would be closed again at once (lane-monitor.ts). @throws LaneError */
  #assertWhole(lane: Lane): void {
    if (this.#options.connections.isMoving(lane))
      throw new LaneError('the keys of the lane are on their way');
  }

  /** Whoever serves the lane now, under its own identity. @throws LaneError, UnservedError */
  #connection(lane: Lane): { redis: Connection['redis']; runId: string } {
    const { redis, runId } = this.#options.connections.of(lane);
    if (runId === undefined) throw new LaneError('the connection to Redis is not ready');
    return { redis, runId };
  }
}

function formatOrders({ orders }: SnapshotPage, { control }: Snapshot): string {
  try {
    return JSON.stringify(orders.map((order) => toLoadOrder(order, control.currency)));
  } catch (error) {
    // An order of another layout or make: its sale stays closed, and the others go on.
    if (!(error instanceof InvariantError)) throw error;
    throw new LaneError(`an order of the snapshot cannot be loaded: ${error.message}`);
  }
}

function mustLoad(
  lane: Lane,
  count: LaneCount,
  told: Acknowledged,
  { isForced = false, distrustedEpoch = 0 }: OpenOptions,
): boolean {
  if (isForced || !count.isLoaded || count.epoch <= distrustedEpoch) return true;
  return told.isAhead(lane, count);
}
