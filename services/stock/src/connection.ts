import { assertNoEviction, createRedis, readRunId, systemClock, type Logger } from '@seckill/runtime';
import type { Redis } from 'ioredis';
import { defineScripts } from './scripts.ts';

const IDENTIFY_RETRY_MS = 500;

/**
 * The one connection to Redis, and the run_id of the process behind it. While that is not known nothing may be
 * reserved: a Redis that restarted must be compared with Postgres first (recovery.md, "The gate").
 */
export class Connection {
  readonly redis: Redis;
  readonly #logger: Logger;
  #runId: string | undefined;
  /** Raised at every connect and close, so that an answer of an earlier connection is dropped. */
  #generation = 0;

  constructor(url: string, logger: Logger) {
    this.#logger = logger;
    this.redis = createRedis(url, logger);
    defineScripts(this.redis);
    this.redis.on('close', () => {
      this.#generation += 1;
      this.#runId = undefined;
    });
  }

  /** Undefined while disconnected, while not yet read, and while this Redis may evict keys. */
  get runId(): string | undefined {
    return this.#runId;
  }

  /** @throws RedisPolicyError when this Redis may evict keys; ioredis' error when it cannot be reached. */
  async start(): Promise<void> {
    await this.redis.connect();
    await assertNoEviction(this.redis);
    this.#runId = await readRunId(this.redis);
    this.redis.on('ready', () => {
      void this.#identify();
    });
  }

  async close(): Promise<void> {
    // QUIT waits for the commands under way; a connection that is down has none.
    if (this.redis.status === 'ready') await this.redis.quit();
    else this.redis.disconnect();
  }

  /** Fails closed: until policy and run_id are read, every reserve is answered `sale_unavailable`. */
  async #identify(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    while (generation === this.#generation && this.redis.status === 'ready') {
      try {
        await assertNoEviction(this.redis);
        const runId = await readRunId(this.redis);
        if (generation === this.#generation) this.#runId = runId;
        return;
      } catch (error) {
        this.#logger.error({ err: error }, 'redis is not fit for stock');
        await systemClock.sleep(IDENTIFY_RETRY_MS);
      }
    }
  }
}
