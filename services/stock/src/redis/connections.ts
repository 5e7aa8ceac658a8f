import {
  askPrimaryUrls,
  RedisPolicyError,
  slotOf,
  systemClock,
  toPrimaryUrls,
  type Logger,
  type RedisAddress,
} from '@seckill/runtime';
import { Connection } from './connection.ts';
import { formatLane, LANES_KEY, type Lane } from './keys.ts';

/**
 * A failover or a moved slot is seen within this time, on top of what Redis takes. The look costs nothing,
 * because each node was asked anyway.
 */
const REFRESH_MS = 500;

/** No primary of the cluster is known to serve the lane: ask again. */
export class UnservedError extends Error {
  override readonly name = 'UnservedError';
  readonly code = 'SECKILL_REDIS_UNSERVED';
}

/**
 * The connections to Redis: one, or one to each primary of a cluster. A lane is asked for only on the
 * connection to the node that serves it, under the identity of that node. Nothing is ever sent again
 * elsewhere. MOVED, ASK and the like say that nothing ran, and the lane at its new place belongs to another
 * Redis, closed until it was loaded (INV-1, INV-2). ioredis' own Cluster repeats a script on whichever node
 * it is sent to, with the identity of another.
 */
export class Connections {
  readonly isCluster: boolean;
  readonly #url: string;
  readonly #logger: Logger;
  /** The connections by URL. */
  readonly #known = new Map<string, Connection>();
  /**
   * Identities of the nodes that left the list, by URL. A node that comes back unharmed is no other Redis.
   */
  readonly #gone = new Map<string, string>();
  readonly #closing = new AbortController();
  #onIdentified: (connection: Connection, isOther: boolean) => void = () => undefined;

  constructor({ url, isCluster }: RedisAddress, logger: Logger) {
    this.#url = url;
    this.isCluster = isCluster;
    this.#logger = logger;
  }

  /** @throws RedisPolicyError as Connection.start; ioredis' error when nobody is in reach. */
  async start(): Promise<void> {
    if (!this.isCluster) {
      await this.#add(this.#url).start();
      return;
    }
    const urls = await askPrimaryUrls(this.#url, this.#logger);
    const started = await Promise.allSettled([...urls].map((url) => this.#add(url).start()));
    const failed = started.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
    const refused = failed.find((error) => error instanceof RedisPolicyError);
    // A node that is away must not keep the sales of the others closed.
    if (refused !== undefined || failed.length === started.length) {
      await this.close();
      throw refused ?? failed[0] ?? new UnservedError('no node of the cluster serves any slot');
    }
    for (const [index, connection] of this.all().entries()) {
      if (started[index]?.status === 'rejected') connection.watch();
    }
    void this.#keepKnown();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.all().map((connection) => connection.close()));
  }

  all(): Connection[] {
    return [...this.#known.values()];
  }

  /**
   * The listener is called whenever it is known anew who is behind a connection. `isOther` means another
   * Redis, or another history, than before.
   */
  onIdentified(listener: (connection: Connection, isOther: boolean) => void): void {
    this.#onIdentified = listener;
  }

  /** Undefined while nobody is known to serve the lane. */
  find(lane: Lane): Connection | undefined {
    return this.isCluster ? this.#findTag(formatLane(lane)) : this.#known.get(this.#url);
  }

  /** @throws UnservedError */
  of(lane: Lane): Connection {
    return this.find(lane) ?? this.#refuse();
  }

  /** The connection to the node that keeps the list of lanes. @throws UnservedError */
  get registry(): Connection {
    return this.#findTag(LANES_KEY) ?? this.#refuse();
  }

  /** Whether the lane's keys are, or were, on their way to another node. Some keys may be missing then. */
  isMoving(lane: Lane): boolean {
    if (!this.isCluster) return false;
    const slot = slotOf(formatLane(lane));
    return this.all().some(({ node }) => node?.moving.has(slot));
  }

  /**
   * Groups the items by the connection that each goes to, with their places. The key is undefined for items
   * whose lane nobody is known to serve.
   */
  group<Item>(items: Item[], laneOf: (item: Item) => Lane): Map<Connection | undefined, Placed<Item>[]> {
    const groups = new Map<Connection | undefined, Placed<Item>[]>();
    for (const [index, item] of items.entries()) {
      const connection = this.find(laneOf(item));
      const group = groups.get(connection);
      if (group === undefined) groups.set(connection, [{ item, index }]);
      else group.push({ item, index });
    }
    return groups;
  }

  /**
   * Each node speaks for itself. Between a move or a failover and the moment when the older node hears of it,
   * two nodes claim the slot.
   */
  #findTag(tag: string): Connection | undefined {
    if (!this.isCluster) return this.#known.get(this.#url);
    const slot = slotOf(tag);
    let found: Connection | undefined;
    for (const connection of this.#known.values()) {
      const { node } = connection;
      if (node?.slots.some(([first, last]) => first <= slot && slot <= last) !== true) continue;
      if (node.configEpoch > (found?.node?.configEpoch ?? -1)) found = connection;
    }
    return found;
  }

  #refuse(): never {
    throw new UnservedError('no node of Redis is known to serve this lane');
  }

  #add(url: string): Connection {
    const connection = new Connection(url, this.#logger, {
      isCluster: this.isCluster,
      known: this.#gone.get(url),
    });
    this.#gone.delete(url);
    connection.onIdentified((isOther) => {
      this.#onIdentified(connection, isOther);
    });
    this.#known.set(url, connection);
    return connection;
  }

  async #keepKnown(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await systemClock.sleep(REFRESH_MS, signal);
      if (signal.aborted) return;
      try {
        this.#refresh(await this.#readPrimaries(), signal);
      } catch (error) {
        this.#logger.warn({ err: error }, 'no node of the cluster tells who its primaries are');
      }
    }
  }

  #refresh(urls: Set<string>, signal: AbortSignal): void {
    if (signal.aborted) return;
    for (const url of urls) if (!this.#known.has(url)) this.#add(url).watch();
    for (const [url, connection] of this.#known) {
      if (urls.has(url)) continue;
      this.#known.delete(url);
      if (connection.lastIdentity !== undefined) this.#gone.set(url, connection.lastIdentity);
      void connection.close();
    }
  }

  /**
   * The primaries that any node in reach knows. When no node is in reach, the configured name is asked anew.
   */
  async #readPrimaries(): Promise<Set<string>> {
    const nodes = this.all().flatMap(({ runId, node }) => (runId === undefined ? [] : (node ?? [])));
    return nodes.length === 0 ? askPrimaryUrls(this.#url, this.#logger) : toPrimaryUrls(nodes, this.#url);
  }
}

interface Placed<Item> {
  item: Item;
  index: number;
}
