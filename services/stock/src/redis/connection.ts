import {
  assertNoEviction,
  createRedis,
  readIdentity,
  readNode,
  RedisClock,
  RedisPolicyError,
  warnOfDurability,
  systemClock,
  type Logger,
  type RedisNode,
} from '@seckill/runtime';
import type { Redis } from 'ioredis';
import { isAnsweringOthers } from './probe.ts';
import { defineScripts, RESERVE_SCRIPT } from './scripts.ts';

/**
 * A promotion is noticed within this time, also by a connection that survives it. The look costs two INFO.
 */
const IDENTIFY_MS = 500;
/** A process that slept does not know whose Redis it talks to when it wakes. */
const IDENTITY_MS_MAX = 2_000;
/**
 * After this long without an answer another connection asks whether Redis answers anybody. If it does, a
 * route was lost, and ours is replaced. If it does not, Redis is busy (a slow fsync, a fork, a stopped
 * process), and nothing is gained by that.
 */
const SILENCE_MS = 1_500;
/** After this long the connection is replaced in any case: its host may be gone. */
const SILENCE_MS_MAX = 30_000;
/** A socket that leads nowhere never answers that it was closed. */
const FAREWELL_MS = 200;

/** What a listener is told once the Redis behind a connection is known. */
export type IdentifiedListener = (isOther: boolean) => void;

/**
 * One connection to one Redis, and the identity of what is behind it. While that identity is not known
 * nothing may be reserved. A Redis that restarted or was promoted must be compared with Postgres first
 * (docs/recovery.md, "The gate").
 */
export class Connection {
  readonly redis: Redis;
  readonly #url: string;
  readonly #logger: Logger;
  readonly #isCluster: boolean;
  /**
   * Identity of the Redis that was identified last. The identity outlives the connection. Whoever answers the
   * next connection under the same name is the same process with the same history. That process has all that
   * it ever confirmed, and its lanes need no check.
   */
  #identity: string | undefined;
  /** Whether `#identity` was read on the connection that stands now. */
  #isIdentified = false;
  /** When the last reading began, by this process' clock. */
  #identifiedAt = Number.NEGATIVE_INFINITY;
  #node: RedisNode | undefined;
  readonly #clock = new RedisClock();
  #hasReplica = false;
  /**
   * Whether this Redis knows the script. Stock calls the script by its hash, which a Redis that restarted, or
   * is another, does not know.
   */
  #hasScript = false;
  /** The number rises at every connect and close, so that an answer of an earlier connection is dropped. */
  #generation = 0;
  #onIdentified: IdentifiedListener = () => undefined;
  /** Since when an answer is awaited, by this process' clock. */
  #silentSince: number | undefined;
  /** The signal is aborted when the connection is ready, so that the connection is identified at once. */
  #wake = new AbortController();
  readonly #closing = new AbortController();

  /**
   * @param known identity of the Redis at this address, as another connection of this process read it last.
   */
  constructor(url: string, logger: Logger, { isCluster = false, known }: ConnectionOptions = {}) {
    this.#url = url;
    this.#logger = logger;
    this.#isCluster = isCluster;
    this.#identity = known;
    this.redis = createRedis(url, logger, { socketTimeout: SILENCE_MS_MAX, disconnectTimeout: FAREWELL_MS });
    defineScripts(this.redis);
    this.redis.on('close', () => {
      this.#detach();
    });
  }

  /**
   * The run id is undefined while disconnected, while the identity is not known or was read too long ago, and
   * while this Redis may evict keys or lacks the script.
   */
  get runId(): string | undefined {
    const isFresh = performance.now() - this.#identifiedAt < IDENTITY_MS_MAX;
    return this.#isIdentified && this.#hasScript && isFresh ? this.#identity : undefined;
  }

  get url(): string {
    return this.#url;
  }

  /** The identity as it was read last, also on a connection that has ended. */
  get lastIdentity(): string | undefined {
    return this.#identity;
  }

  /**
   * The node as it described itself when it was identified last. Undefined for a Redis that is no node of a
   * cluster.
   */
  get node(): RedisNode | undefined {
    return this.#node;
  }

  /** What this Redis' clock shows at least, at an instant of our monotonic clock. */
  earliest(at: number): number | undefined {
    return this.#clock.earliest(at);
  }

  /** Whether a replica follows, by what was heard last. */
  get hasReplica(): boolean {
    return this.#hasReplica;
  }

  noteReplica(hasReplica: boolean): void {
    this.#hasReplica = hasReplica;
  }

  /**
   * Tells that something else was seen behind the connection than is known of it. Whoever is identified next
   * is another Redis.
   */
  forget(): void {
    this.#detach();
    this.#identity = undefined;
  }

  /** The connection has ended. Nothing is reserved until the next one has said who is behind it. */
  #detach(): void {
    this.#generation += 1;
    this.#isIdentified = false;
    this.#hasScript = false;
    this.#silentSince = undefined;
  }

  /**
   * Tells that the scripts of this Redis were flushed. This is the same Redis, whose lanes need no check, so
   * no listener hears of it.
   */
  loadScriptAgain(): void {
    this.#hasScript = false;
  }

  /**
   * The listener is called once for each connection, and whenever another Redis, or another history, is
   * behind it than before.
   */
  onIdentified(listener: IdentifiedListener): void {
    this.#onIdentified = listener;
  }

  /**
   * @throws RedisPolicyError when this Redis may evict keys, is no primary, or is no cluster where one is
   * meant; ioredis' error when it is out of reach.
   */
  async start(): Promise<void> {
    await this.redis.connect();
    await this.#identifyOnce();
    this.watch();
  }

  /** Connects and identifies in the background, for ever; never throws. */
  watch(): void {
    this.redis.on('ready', () => {
      this.#generation += 1;
      this.#wake.abort();
    });
    // ioredis goes on trying.
    if (this.redis.status === 'wait') this.redis.connect().catch(() => undefined);
    void this.#keepIdentified();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    // QUIT waits for the commands under way; a connection that is down has none.
    if (this.redis.status !== 'ready') this.redis.disconnect();
    else {
      await this.redis.quit().catch(() => {
        this.redis.disconnect();
      });
    }
  }

  /** This fails closed: until policy and identity are read, every reserve is answered `sale_unavailable`. */
  async #keepIdentified(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const pauseMs = this.runId === undefined ? IDENTIFY_MS / 5 : IDENTIFY_MS;
      await systemClock.sleep(pauseMs, AbortSignal.any([signal, this.#wake.signal]));
      if (signal.aborted) return;
      this.#wake = new AbortController();
      if (this.redis.status !== 'ready') continue;
      this.#silentSince ??= performance.now();
      try {
        await this.#identifyOnce();
        this.#silentSince = undefined;
      } catch (error) {
        await this.#noteFailure(error);
      }
    }
  }

  async #noteFailure(error: unknown): Promise<void> {
    // This Redis may have evicted keys, or have followed another one. Whatever it says next has to be looked
    // at.
    if (error instanceof RedisPolicyError) {
      this.forget();
      this.#node = undefined;
      this.#logger.error({ err: error }, 'redis is not fit for stock');
      return;
    }
    // A late answer alone says nothing about who is there. What is known grows too old by itself.
    this.#logger.warn({ err: error }, 'redis does not say who it is');
    if (!isTimeout(error)) this.#silentSince = undefined;
    else if (await this.#isRouteLost()) {
      this.#logger.warn('redis answers others, but not this connection: it is replaced');
      this.#detach();
      this.redis.disconnect(true);
    }
  }

  /** Redis answers another connection, and does not answer this one thereafter. */
  async #isRouteLost(): Promise<boolean> {
    const generation = this.#generation;
    const since = this.#silentSince;
    if (since === undefined || performance.now() - since < SILENCE_MS) return false;
    if (!(await isAnsweringOthers(this.#url, this.#logger))) return false;
    // Redis may have woken in between. The process itself may have slept, with the answer in its socket.
    const isLost = await this.redis.ping().then(() => false, isTimeout);
    return isLost && generation === this.#generation && !this.#closing.signal.aborted;
  }

  async #identifyOnce(): Promise<void> {
    const generation = this.#generation;
    const startedAt = performance.now();
    if (!this.#isIdentified) await assertNoEviction(this.redis);
    if (!this.#hasScript) await this.redis.script('LOAD', RESERVE_SCRIPT.source);
    const [{ runId, isCluster, hasReplica }, time] = await Promise.all([
      readIdentity(this.redis),
      this.redis.time(),
    ]);
    const heardAt = performance.now();
    // Otherwise every other lane would be answered MOVED, or a cluster of one node would be believed in.
    if (isCluster !== this.#isCluster) {
      throw new RedisPolicyError(
        `this Redis is ${isCluster ? 'a' : 'no'} node of a cluster: see REDIS_CLUSTER`,
      );
    }
    const node = isCluster ? await readNode(this.redis) : undefined;
    if (generation !== this.#generation) return;
    const isOther = runId !== this.#identity;
    const isNews = isOther || !this.#isIdentified;
    this.#hasScript = true;
    this.#isIdentified = true;
    this.#identity = runId;
    if (isOther) this.#clock.forget();
    this.#clock.read(toMilliseconds(time), heardAt);
    this.#node = node;
    this.#hasReplica = hasReplica;
    this.#identifiedAt = startedAt;
    if (isNews) this.#onIdentified(isOther);
    if (isOther) await warnOfDurability(this.redis, this.#logger);
  }
}

export interface ConnectionOptions {
  isCluster?: boolean;
  known?: string | undefined;
}

/** ioredis has no class for it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}

/** Redis' TIME in milliseconds since the epoch, as the scripts count it. */
export function toMilliseconds([seconds, microseconds]: (number | string)[]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}
