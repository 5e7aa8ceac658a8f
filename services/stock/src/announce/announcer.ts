import {
  ANNOUNCED_USERS_MAX,
  fnv1a,
  statesChannel,
  type Announcement,
  type ReserveAnswer,
} from '@seckill/contracts';
import type { Clock, Logger } from '@seckill/runtime';
import type { Connections } from '../redis/connections.ts';
import { parseCount, type LaneCount } from '../redis/lane-state.ts';
import { formatLane, scriptKeys, type Lane } from '../redis/keys.ts';
import type { AnnouncerMetrics } from './metrics.ts';
import type { ReservationRecord } from '../redis/hold-record.ts';

export interface AnnouncerOptions {
  connections: Pick<Connections, 'find'>;
  lanes: () => Promise<Lane[]>;
  clock: Clock;
  logger: Logger;
  metrics: AnnouncerMetrics;
}

const TICK_MS = 250;
/** Between two announcements of a lane: what changes in between goes with the next, at most 40 a second. */
const PAUSE_MS = 25;
/** A lane that has been over for a minute is announced every 10 s only: nobody is waiting for it any more. */
const OVER_MS = 60_000;
const OVER_TICKS = 40;
/** Of a lane, while Redis takes no announcements. What is dropped beyond shows as a gap, and a gateway asks for the whole. */
const USERS_KEPT_MAX = 5 * ANNOUNCED_USERS_MAX;

interface News {
  lane: Lane;
  /** Who reserved through this process and was not announced yet. */
  users: { epoch: number; sequence: number; hash: number }[];
  /** As last announced. */
  last?: LaneCount;
  announcedAt: number;
  /** An announcement that is under way or due; what changes meanwhile sets `isDirty` and makes another follow. */
  running?: Promise<void>;
  isDirty: boolean;
}

/**
 * Tells gateways what they may answer by themselves (docs/recovery.md): each lane every 250 ms, and soon after an answer that
 * contradicts what was told last. Every process of the role `http` announces: each knows only its own users.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #news = new Map<string, News>();
  /** As listed last: the node that keeps the list may be away while others sell. */
  #lanes: Lane[] = [];
  #isFailing = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Looks at each answer, and at the record of a new reservation. */
  observe(lane: Lane, answer: ReserveAnswer, record?: ReservationRecord): void {
    if (record !== undefined) {
      const { epoch, sequence, userId, lines } = record;
      const news = this.#newsOf(lane);
      if (news.users.length < USERS_KEPT_MAX) news.users.push({ epoch, sequence, hash: fnv1a(userId) });
      // Units that came back are being bought: who was told "sold out" a moment ago may have them too.
      if (lines.some(({ sku }) => availableOf(news, sku) === 0)) this.announce(lane);
    } else if (answer.outcome === 'sold_out') {
      if (availableOf(this.#newsOf(lane), answer.sku) !== answer.available) this.announce(lane);
    }
  }

  /** Soon, together with what else changes until then. */
  announce(lane: Lane): void {
    const news = this.#newsOf(lane);
    news.isDirty = true;
    news.running ??= this.#announceAll(news);
  }

  /** Until the signal aborts; then once more, so that nobody who reserved here stays unknown. */
  async run(signal: AbortSignal): Promise<void> {
    for (let tick = 0; !signal.aborted; tick += 1) {
      await this.#tick(tick);
      await this.#options.clock.sleep(TICK_MS, signal);
    }
    for (const { lane, users } of this.#news.values()) if (users.length > 0) this.announce(lane);
    for (const { running } of this.#news.values()) await running;
  }

  async #tick(tick: number): Promise<void> {
    try {
      this.#lanes = await this.#options.lanes();
      const names = new Set(this.#lanes.map(formatLane));
      // Retired; one that is on the way into being has users at the earliest when it is on the list.
      for (const [name, { users }] of this.#news)
        if (!names.has(name) && users.length === 0) this.#news.delete(name);
    } catch (error) {
      this.#fail(error);
    }
    for (const lane of this.#lanes) {
      if (!isLongOver(this.#newsOf(lane).last) || tick % OVER_TICKS === 0) this.announce(lane);
    }
  }

  #newsOf(lane: Lane): News {
    const name = formatLane(lane);
    const known = this.#news.get(name);
    if (known !== undefined) return known;
    const news: News = { lane, users: [], announcedAt: Number.NEGATIVE_INFINITY, isDirty: false };
    this.#news.set(name, news);
    return news;
  }

  async #announceAll(news: News): Promise<void> {
    const { clock } = this.#options;
    while (news.isDirty) {
      await clock.sleep(Math.max(0, news.announcedAt + PAUSE_MS - clock.now()));
      news.isDirty = false;
      news.announcedAt = clock.now();
      try {
        await this.#announceOne(news);
        this.#isFailing = false;
      } catch (error) {
        this.#fail(error);
      }
    }
    // In the same tick as the last look at isDirty, or a change in between would wait for the next tick.
    delete news.running;
  }

  async #announceOne(news: News): Promise<void> {
    const { connections, metrics } = this.#options;
    const connection = connections.find(news.lane);
    if (connection?.runId === undefined) return;
    const { runId, redis, node } = connection;
    const count = parseCount(await redis.count(scriptKeys('count', news.lane), runId));
    news.last = count;
    // Of an epoch that is over: whoever needs them asks for the whole.
    news.users = news.users.filter(({ epoch }) => epoch >= count.epoch);
    let told: News['users'];
    do {
      // Kept until Redis has them: one that is told twice does no harm.
      told = news.users.filter(({ epoch }) => epoch === count.epoch).slice(0, ANNOUNCED_USERS_MAX);
      const users = told.flatMap(({ sequence, hash }) => [sequence, hash]);
      await redis.publish(statesChannel(node?.id), JSON.stringify(toAnnouncement(news.lane, count, users)));
      metrics.announcements.inc();
      const isTold = new Set(told);
      news.users = news.users.filter((user) => !isTold.has(user));
    } while (told.length === ANNOUNCED_USERS_MAX);
  }

  /** The gateways ask stock meanwhile. One line for an outage, whatever it lasts. */
  #fail(error: unknown): void {
    const { logger, metrics } = this.#options;
    metrics.announcementFailures.inc();
    if (!this.#isFailing) logger.warn({ err: error }, 'states cannot be announced');
    this.#isFailing = true;
  }
}

function availableOf({ last }: News, sku: string): number | undefined {
  return last?.items.find((item) => item.sku === sku)?.available;
}

function isLongOver(last: LaneCount | undefined): boolean {
  return last !== undefined && last.gate === 'open' && last.now >= last.closesAt + OVER_MS;
}

function toAnnouncement({ saleId, lane }: Lane, count: LaneCount, users: number[]): Announcement {
  const { gate, epoch, version, sequence, now, state, opensAt, closesAt } = count;
  const items = count.items.map(({ sku, available, held }) => ({ sku, available, held }));
  return { saleId, lane, gate, epoch, version, sequence, now, state, opensAt, closesAt, items, users };
}
