import type { Connections } from '../redis/connections.ts';
import { laneKeys, type Lane } from '../redis/keys.ts';

/** Entries that one command reads, which takes about a millisecond of Redis' time. */
const PAGE = 500;
/** Records of one buyer that are told, the newest. A page of orders never needs more. */
const OF_BUYER_MAX = 100;
/** Entries that are remembered, the newest where there are more: some 40 MB. */
const COUNT_MAX = 200_000;

/**
 * Who reserved what stands in the outbox of a lane. Each entry is read once and its id remembered while it
 * waits: while Kafka is away, a hundred thousand of them are not read again for each buyer who asks.
 */
export class Unpublished {
  readonly #connections: Pick<Connections, 'of'>;
  readonly #lane: Lane;
  /** Oldest first. Those before `#head` are forgotten: a Map would look for its first key ever longer. */
  #queue: { id: string; userId: string }[] = [];
  #head = 0;
  /** The entry that was read last. */
  #last: string | undefined;
  readonly #idsOf = new Map<string, string[]>();
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(connections: Pick<Connections, 'of'>, lane: Lane) {
    this.#connections = connections;
    this.#lane = lane;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  /** The buyer's records that wait, oldest first. @throws ioredis' error, UnservedError. */
  async of(userId: string): Promise<string[]> {
    await this.#catchUp();
    const ids = (this.#idsOf.get(userId) ?? []).slice(-OF_BUYER_MAX);
    const { redis } = this.#connections.of(this.#lane);
    const { outbox } = laneKeys(this.#lane);
    const entries = await Promise.all(ids.map((id) => redis.xrange(outbox, id, id)));
    // An entry that is gone was published meanwhile. After a loss of what nobody was promised, another
    // buyer's entry may stand under a remembered id, and is nobody else's business.
    return entries
      .flatMap(([entry]) => (entry === undefined ? [] : recordOf(entry[1])))
      .filter((record) => record.startsWith(`${userId}\n`));
  }

  /**
   * Whoever asks while a reading is under way waits for the next one, together with all others who do: the
   * one under way may have passed by what they look for.
   */
  #catchUp(): Promise<void> {
    if (this.#reading === undefined) {
      this.#reading = this.#read().finally(() => {
        this.#reading = undefined;
      });
      return this.#reading;
    }
    this.#next ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#catchUp();
      });
    return this.#next;
  }

  async #read(): Promise<void> {
    const { redis } = this.#connections.of(this.#lane);
    const { outbox } = laneKeys(this.#lane);
    const [newest] = await redis.xrevrange(outbox, '+', '-', 'COUNT', 1);
    // Redis has lost its last entries, and gives their ids once more: what is remembered may be of another
    // history.
    if (newest !== undefined && this.#last !== undefined && isBefore(newest[0], this.#last))
      this.#forgetAll();
    let after = this.#last;
    for (;;) {
      const from = after === undefined ? '-' : `(${after}`;
      const [[first], entries] = await Promise.all([
        redis.xrange(outbox, '-', '+', 'COUNT', 1),
        redis.xrange(outbox, from, '+', 'COUNT', PAGE),
      ]);
      this.#forgetBefore(first?.[0]);
      for (const [id, fields] of entries) this.#remember(id, recordOf(fields));
      after = entries.at(-1)?.[0];
      if (after === undefined || entries.length < PAGE) return;
    }
  }

  #remember(id: string, record: string): void {
    const [userId = ''] = record.split('\n', 1);
    this.#last = id;
    this.#queue.push({ id, userId });
    const ids = this.#idsOf.get(userId);
    if (ids === undefined) this.#idsOf.set(userId, [id]);
    else ids.push(id);
    if (this.size > COUNT_MAX) this.#forgetOldest();
  }

  /** Entries leave the outbox in their order. `first`: the oldest that is there; undefined: none is. */
  #forgetBefore(first: string | undefined): void {
    if (first === undefined) this.#last = undefined;
    for (;;) {
      const oldest = this.#queue[this.#head];
      if (oldest === undefined || (first !== undefined && !isBefore(oldest.id, first))) return;
      this.#forgetOldest();
    }
  }

  #forgetAll(): void {
    this.#queue = [];
    this.#head = 0;
    this.#idsOf.clear();
    this.#last = undefined;
  }

  #forgetOldest(): void {
    const oldest = this.#queue[this.#head];
    if (oldest === undefined) return;
    this.#head += 1;
    const ids = this.#idsOf.get(oldest.userId);
    ids?.shift();
    if (ids?.length === 0) this.#idsOf.delete(oldest.userId);
    if (this.#head < this.#queue.length / 2) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }
}

function recordOf(fields: string[]): string {
  return fields[fields.indexOf('record') + 1] ?? '';
}

/** Compares ids of a stream, `<epoch>-<sequence>`. */
function isBefore(one: string, other: string): boolean {
  const [epoch = 0, sequence = 0] = one.split('-').map(Number);
  const [otherEpoch = 0, otherSequence = 0] = other.split('-').map(Number);
  return epoch === otherEpoch ? sequence < otherSequence : epoch < otherEpoch;
}
