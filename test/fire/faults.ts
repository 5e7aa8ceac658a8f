/** How each fault is done to the system, and undone. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import pg from 'pg';
import { aofFolder, connectRedis, copyAof, cutTail, flushAll, freezeWrites } from '../support/redis.ts';
import { HURTS, type Hurt } from './link.ts';
import type { Fault } from './plan.ts';
import type { System } from './system.ts';

/** About as much as is sold in some seconds. */
const CUT_BYTES_MAX = 200_000;

export class Faults {
  /** What stood only in the outbox when Redis lost it: that may be missing, and nothing else. */
  readonly lost = new Set<string>();
  readonly #system: System;
  readonly #saleIds: string[];
  readonly #random: () => number;
  readonly #redis: Redis;
  readonly #closing: (() => unknown)[] = [];

  constructor(system: System, saleIds: string[], random: () => number) {
    this.#system = system;
    this.#saleIds = saleIds;
    this.#random = random;
    const teardown = (close: () => unknown): void => {
      this.#closing.push(close);
    };
    this.#redis = connectRedis({ teardown }, system.stack.info.redis);
  }

  /** Resolves when it is over and what it was done to runs again. */
  async run({ kind, target, lasts, delay }: Fault): Promise<void> {
    if ((HURTS as readonly string[]).includes(kind)) {
      const link = this.#system.links.get(target);
      if (link === undefined) throw new Error(`no way ${target}`);
      await link.hurt(kind as Hurt, delay);
      await sleep(lasts);
      await link.mend(kind as Hurt);
    }
    if (kind === 'killed') await this.#killed(target, lasts);
    if (kind === 'frozen') await this.#frozen(target, lasts);
    if (kind === 'emptied') this.#lose(await flushAll(this.#redis, ...this.#saleIds));
    if (kind === 'old AOF put back') await this.#putBack(lasts);
    if (kind === 'AOF cut') await this.#cut(lasts);
    if (kind === 'connections killed')
      await this.#redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    if (kind === 'backends ended') await this.#endBackends();
  }

  close(): void {
    for (const close of this.#closing) close();
  }

  async #killed(target: string, lasts: number): Promise<void> {
    await this.#system.kill(target);
    await sleep(lasts);
    await this.#system.start(target);
  }

  async #frozen(target: string, lasts: number): Promise<void> {
    const pid = await this.#system.pidOf(target);
    process.kill(pid, 'SIGSTOP');
    await sleep(lasts);
    process.kill(pid, 'SIGCONT');
  }

  async #putBack(lasts: number): Promise<void> {
    const putBack = copyAof(await aofFolder(this.#redis));
    await sleep(lasts);
    this.#lose(await freezeWrites(this.#redis, ...this.#saleIds));
    await this.#system.kill('redis');
    putBack();
    await this.#system.start('redis');
  }

  async #cut(lasts: number): Promise<void> {
    const folder = await aofFolder(this.#redis);
    this.#lose(await freezeWrites(this.#redis, ...this.#saleIds));
    await this.#system.kill('redis');
    cutTail(folder, this.#random, CUT_BYTES_MAX);
    await sleep(lasts);
    await this.#system.start('redis');
  }

  async #endBackends(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#system.stack.info.postgres });
    await client.connect();
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await client.end();
  }

  #lose(ids: Set<string>): void {
    for (const id of ids) this.lost.add(id);
  }
}
