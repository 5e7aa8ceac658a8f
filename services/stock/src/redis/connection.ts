import {
  assertNoEviction,
  createRedis,
  readIdentity,
  readNode,
  RedisPolicyError,
  warnOfDurability,
  systemClock,
  type Logger,
  type RedisNode,
} from '@seckill/runtime';
import type { Redis } from 'ioredis';
import { defineScripts, RESERVE_SCRIPT } from './scripts.ts';

/** A promotion is noticed within this time, also by a connection that survives it. It costs two INFO. */
const IDENTIFY_MS = 500;
/** A process that slept does not know whose Redis it talks to when it wakes. */
const IDENTITY_MS_MAX = 2_000;

/**
 * One connection to one Redis, and the identity of what is behind it. While that is not known nothing may be reserved:
 * a Redis that restarted or was promoted must be compared with Postgres first (recovery.md, "The gate").
 */
export class Connection {
  readonly redis: Redis;
  readonly #logger: Logger;
  readonly #isCluster: boolean;
  #runId: string | undefined;
  /** When the last reading began; of this process' clock. */
  #identifiedAt = Number.NEGATIVE_INFINITY;
  #node: RedisNode | undefined;
  #hasReplica = false;
  /** Stock calls it by its hash; a Redis that restarted, or is another, does not know it. */
  #hasScript = false;
  /** Raised at every connect and close, so that an answer of an earlier connection is dropped. */
  #generation = 0;
  #onIdentified: () => void = () => undefined;
  readonly #closing = new AbortController();

  constructor(url: string, logger: Logger, isCluster = false) {
    this.#logger = logger;
    this.#isCluster = isCluster;
    this.redis = createRedis(url, logger);
    defineScripts(this.redis);
    this.redis.on('close', () => {
      this.forget();
    });
  }

  /** Undefined while disconnected, while not known or known too long ago, while this Redis may evict keys or lacks the script. */
  get runId(): string | undefined {
    return this.#hasScript && performance.now() - this.#identifiedAt < IDENTITY_MS_MAX
      ? this.#runId
      : undefined;
  }

  /** As it said when it was identified last; undefined for a Redis that is no node of a cluster. */
  get node(): RedisNode | undefined {
    return this.#node;
  }

  /** A replica follows, by what was heard last. */
  get hasReplica(): boolean {
    return this.#hasReplica;
  }

  noteReplica(hasReplica: boolean): void {
    this.#hasReplica = hasReplica;
  }

  /** Something else was seen behind the connection than is known of it. */
  forget(): void {
    this.#generation += 1;
    this.#runId = undefined;
    this.#hasScript = false;
  }

  /** Its scripts were flushed. It is the same Redis, whose lanes need no check: nobody hears of it. */
  loadScriptAgain(): void {
    this.#hasScript = false;
  }

  /** Called whenever another Redis, or another history, is behind the connection than before. */
  onIdentified(listener: () => void): void {
    this.#onIdentified = listener;
  }

  /**
   * @throws RedisPolicyError when this Redis may evict keys, is no primary, or is no cluster where one is meant;
   * ioredis' error when it is out of reach.
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

  /** Fails closed: until policy and identity are read, every reserve is answered `sale_unavailable`. */
  async #keepIdentified(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await systemClock.sleep(this.runId === undefined ? IDENTIFY_MS / 5 : IDENTIFY_MS, signal);
      if (signal.aborted) return;
      if (this.redis.status !== 'ready') continue;
      try {
        await this.#identifyOnce();
      } catch (error) {
        // A late answer alone says nothing about who is there; what is known grows too old by itself.
        if (error instanceof RedisPolicyError) {
          this.#runId = undefined;
          this.#node = undefined;
        }
        this.#logger.error({ err: error }, 'redis is not fit for stock');
      }
    }
  }

  async #identifyOnce(): Promise<void> {
    const generation = this.#generation;
    const startedAt = performance.now();
    if (this.#runId === undefined) await assertNoEviction(this.redis);
    if (!this.#hasScript) await this.redis.script('LOAD', RESERVE_SCRIPT.source);
    const { runId, isCluster, hasReplica } = await readIdentity(this.redis);
    // Else every other lane would be answered MOVED, or a cluster of one be believed in.
    if (isCluster !== this.#isCluster) {
      throw new RedisPolicyError(
        `this Redis is ${isCluster ? 'a' : 'no'} node of a cluster: see REDIS_CLUSTER`,
      );
    }
    const node = isCluster ? await readNode(this.redis) : undefined;
    if (generation !== this.#generation) return;
    this.#hasScript = true;
    const isOther = runId !== this.#runId;
    this.#runId = runId;
    this.#node = node;
    this.#hasReplica = hasReplica;
    this.#identifiedAt = startedAt;
    if (!isOther) return;
    this.#onIdentified();
    await warnOfDurability(this.redis, this.#logger);
  }
}
