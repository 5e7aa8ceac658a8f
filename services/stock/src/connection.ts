import {
  assertNoEviction,
  createRedis,
  readRunId,
  RedisPolicyError,
  warnOfDurability,
  systemClock,
  type Logger,
} from '@seckill/runtime';
import type { Redis } from 'ioredis';
import { defineScripts } from './scripts.ts';

/** A promotion is noticed within this time, also by a connection that survives it. It costs two INFO. */
const IDENTIFY_MS = 500;
/** A process that slept does not know whose Redis it talks to when it wakes. */
const IDENTITY_MS_MAX = 2_000;

/**
 * The one connection to Redis, and the identity of what is behind it. While that is not known nothing may be reserved:
 * a Redis that restarted or was promoted must be compared with Postgres first (recovery.md, "The gate").
 */
export class Connection {
  readonly redis: Redis;
  readonly #logger: Logger;
  #runId: string | undefined;
  /** When the last reading began; of this process' clock. */
  #identifiedAt = Number.NEGATIVE_INFINITY;
  /** Raised at every connect and close, so that an answer of an earlier connection is dropped. */
  #generation = 0;
  #onIdentified: () => void = () => undefined;
  readonly #closing = new AbortController();

  constructor(url: string, logger: Logger) {
    this.#logger = logger;
    this.redis = createRedis(url, logger);
    defineScripts(this.redis);
    this.redis.on('close', () => {
      this.forget();
    });
  }

  /** Undefined while disconnected, while not known or known too long ago, and while this Redis may evict keys. */
  get runId(): string | undefined {
    return performance.now() - this.#identifiedAt < IDENTITY_MS_MAX ? this.#runId : undefined;
  }

  /** Something else was seen behind the connection than is known of it. */
  forget(): void {
    this.#generation += 1;
    this.#runId = undefined;
  }

  /** Called whenever another Redis, or another history, is behind the connection than before. */
  onIdentified(listener: () => void): void {
    this.#onIdentified = listener;
  }

  /** @throws RedisPolicyError when this Redis may evict keys or is no primary; ioredis' error when it is out of reach. */
  async start(): Promise<void> {
    await this.redis.connect();
    await this.#identifyOnce();
    this.redis.on('ready', () => {
      this.#generation += 1;
    });
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
      await systemClock.sleep(this.#runId === undefined ? IDENTIFY_MS / 5 : IDENTIFY_MS, signal);
      if (signal.aborted) return;
      if (this.redis.status !== 'ready') continue;
      try {
        await this.#identifyOnce();
      } catch (error) {
        // A late answer alone says nothing about who is there; what is known grows too old by itself.
        if (error instanceof RedisPolicyError) this.#runId = undefined;
        this.#logger.error({ err: error }, 'redis is not fit for stock');
      }
    }
  }

  async #identifyOnce(): Promise<void> {
    const generation = this.#generation;
    const startedAt = performance.now();
    if (this.#runId === undefined) await assertNoEviction(this.redis);
    const runId = await readRunId(this.redis);
    if (generation !== this.#generation) return;
    const isOther = runId !== this.#runId;
    this.#runId = runId;
    this.#identifiedAt = startedAt;
    if (!isOther) return;
    this.#onIdentified();
    await warnOfDurability(this.redis, this.#logger);
  }
}
