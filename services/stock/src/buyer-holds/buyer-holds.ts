import { laneOf, type BuyerHolds as InSale, type Reservation } from '@seckill/contracts';
import { Problem, type Logger } from '@seckill/runtime';
import type { ChangeFeed } from '../change-feed.ts';
import { LaneContentError } from '../lane-content-error.ts';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { parseRecord, toReservation } from '../redis/hold-record.ts';
import { formatLane, laneKeys, LANES_PER_SALE, type Lane } from '../redis/keys.ts';
import { AwakeLanes } from './awake-lanes.ts';
import { Unpublished } from './unpublished.ts';

/** Beyond this number of readings at a time a list has to do without. */
const READINGS_MAX = 32;
/** Over all lanes, some 200 bytes each. Beyond this number lanes are forgotten and read anew. */
const REMEMBERED_MAX = 200_000;

export interface BuyerHoldsDeps {
  connections: Pick<Connections, 'of' | 'group'>;
  /** Without it only a sale that is named is looked at. */
  changes?: Pick<ChangeFeed, 'listen' | 'catchUp'> | undefined;
  /** The lanes that exist. */
  listLanes: () => Promise<Lane[]>;
  /** Milliseconds, monotonic. */
  now: () => number;
  logger: Logger;
}

/**
 * Tells what a buyer has reserved that may have no row yet, for the buyer's list of orders (D95). Only such
 * a list pays for it: reserving has neither an index nor a message more.
 */
export class BuyerHolds {
  readonly #deps: BuyerHoldsDeps;
  readonly #awake: AwakeLanes;
  readonly #unpublished = new Map<string, Unpublished>();
  #readings = 0;

  constructor(deps: BuyerHoldsDeps) {
    this.#deps = deps;
    this.#awake = new AwakeLanes(deps.now);
    deps.changes?.listen({
      onChange: ({ saleId, lane, what }) => {
        if (what === 'reserved') this.#awake.wake({ saleId, lane });
      },
      onListening: () => void this.#wakeAll(),
    });
  }

  /**
   * One for each sale in which the buyer has reserved, of those in which an order may have no row, or of the
   * one sale. Lanes whose Redis does not answer are left out.
   * @throws Problem `overloaded`
   */
  async read(userId: string, saleId?: string): Promise<InSale[]> {
    if (this.#readings >= READINGS_MAX) throw new Problem('overloaded');
    this.#readings += 1;
    try {
      return await this.#read(userId, saleId);
    } finally {
      this.#readings -= 1;
    }
  }

  async #read(userId: string, saleId?: string): Promise<InSale[]> {
    if (saleId === undefined) await this.#deps.changes?.catchUp();
    const asked =
      saleId === undefined
        ? this.#awake.all()
        : [{ lane: { saleId, lane: laneOf(userId, LANES_PER_SALE) }, isDue: false }];
    const groups = [...this.#deps.connections.group(asked, ({ lane }) => lane)];
    const told = await Promise.all(
      groups.map(async ([connection, placed]) => {
        const lanes = placed.map(({ item }) => item);
        return connection === undefined ? [] : this.#readNode(connection, lanes, userId);
      }),
    );
    return told.flat();
  }

  /** The lanes of one node, with one command each. */
  async #readNode(
    { redis }: Connection,
    lanes: { lane: Lane; isDue: boolean }[],
    userId: string,
  ): Promise<InSale[]> {
    const pipeline = redis.pipeline();
    for (const { lane, isDue } of lanes) {
      pipeline.hget(laneKeys(lane).buyers, userId);
      if (isDue) pipeline.xlen(laneKeys(lane).outbox);
    }
    const answers = (await pipeline.exec()) ?? [];
    const found: Promise<InSale | undefined>[] = [];
    let place = 0;
    for (const { lane, isDue } of lanes) {
      const buyer = answers[place]?.[1];
      place += 1;
      if (isDue) {
        const waiting = answers[place]?.[1];
        place += 1;
        if (waiting === 0) this.#awake.sleep(lane);
        else if (typeof waiting === 'number') this.#awake.wake(lane);
      }
      const taken = typeof buyer === 'string' ? takenOf(buyer) : 0;
      if (taken > 0) found.push(this.#readLane(lane, userId, taken));
    }
    return (await Promise.all(found)).flatMap((one) => one ?? []);
  }

  async #readLane(lane: Lane, userId: string, taken: number): Promise<InSale | undefined> {
    try {
      const known = this.#unpublishedOf(lane);
      const records = await known.of(userId);
      if (known.size === 0) this.#unpublished.delete(formatLane(lane));
      this.#forgetOthers(known);
      return { saleId: lane.saleId, taken, unpublished: records.flatMap((one) => reservationOf(lane, one)) };
    } catch (error) {
      this.#deps.logger.warn({ err: error, ...lane }, 'what a buyer reserved cannot be read');
      return undefined;
    }
  }

  #unpublishedOf(lane: Lane): Unpublished {
    const name = formatLane(lane);
    const known = this.#unpublished.get(name) ?? new Unpublished(this.#deps.connections, lane);
    this.#unpublished.delete(name);
    this.#unpublished.set(name, known);
    return known;
  }

  /** Those that were asked about longest ago. */
  #forgetOthers(kept: Unpublished): void {
    let count = 0;
    for (const { size } of this.#unpublished.values()) count += size;
    for (const [name, other] of this.#unpublished) {
      if (count <= REMEMBERED_MAX) return;
      if (other === kept) continue;
      this.#unpublished.delete(name);
      count -= other.size;
    }
  }

  /** What was reserved while nobody listened, or before this process started, may have no row. */
  async #wakeAll(): Promise<void> {
    try {
      this.#awake.add(await this.#deps.listLanes());
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'lists of orders may miss what was reserved before');
    }
  }
}

/** As buyer.lua writes it: units, units paid, reservations. 0 for what no script of ours writes. */
function takenOf(buyer: string): number {
  return Number(/^\d+ \d+ (\d+) \d+/.exec(buyer)?.[1] ?? 0);
}

function reservationOf(lane: Lane, record: string): Reservation[] {
  try {
    return [toReservation(lane, parseRecord(record))];
  } catch (error) {
    // The relay makes a dead letter of it (D78).
    if (error instanceof LaneContentError) return [];
    throw error;
  }
}
