import { CHANGES_CHANNEL, parseChange, type Change } from '@seckill/contracts';
import { createRedis, systemClock, type Logger } from '@seckill/runtime';
import type { Redis } from 'ioredis';
import type { Connections } from './redis/connections.ts';
import { parseLane, type Lane } from './redis/keys.ts';

export interface ChangeListener {
  /** In a cluster each node brings each change once more. */
  onChange(change: Change): void;
  /** What changed before this moment may have been missed. */
  onListening(): void;
  /** The relay with this token tells the gauges of the lane from now on. */
  onTeller?(lane: Lane, token: string): void;
}

/**
 * Redis pub/sub channel on which relays say so, as `<lane> <token>`. A relay whose lane sleeps learns of it
 * in no other way. Only stock listens.
 */
export const TELLERS_CHANNEL = 'seckill:tellers';

/**
 * A new primary is heard within this time. The ping is also what a connection that leads nowhere does not
 * answer.
 */
const ROUND_MS = 1_000;

/**
 * Hears the changes that the scripts tell (tellChange.lua), on one more connection to each Redis. Redis tells
 * every change to a connection that stands, or ends the connection. So whoever listens has missed nothing
 * since `onListening`, and need not look at lanes that no change was told of.
 */
export class ChangeFeed {
  readonly #connections: Pick<Connections, 'all'>;
  readonly #logger: Logger;
  readonly #listeners: ChangeListener[] = [];
  readonly #subscribers = new Map<string, Redis>();

  constructor(connections: Pick<Connections, 'all'>, logger: Logger) {
    this.#connections = connections;
    this.#logger = logger;
  }

  listen(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Resolves once every change has been heard that Redis told before this call: its answer comes behind them
   * on the same connection. Changes of a Redis that does not answer are missed. Never throws.
   */
  async catchUp(): Promise<void> {
    await Promise.allSettled([...this.#subscribers.values()].map((subscriber) => subscriber.ping()));
  }

  /** Runs until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const urls = new Set(this.#connections.all().map(({ url }) => url));
      for (const [url, subscriber] of this.#subscribers) {
        if (urls.delete(url)) subscriber.ping().catch(() => undefined);
        else {
          this.#subscribers.delete(url);
          subscriber.disconnect();
        }
      }
      for (const url of urls) this.#subscribers.set(url, this.#subscribe(url));
      await systemClock.sleep(ROUND_MS, signal);
    }
    for (const subscriber of this.#subscribers.values()) subscriber.disconnect();
  }

  #subscribe(url: string): Redis {
    const redis = createRedis(url, this.#logger, { enableReadyCheck: false, autoResubscribe: false });
    redis.on('ready', () => {
      // Whoever may not hear these hears of the changes all the same.
      redis.subscribe(TELLERS_CHANNEL).catch((error: unknown) => {
        this.#logger.debug({ err: error }, 'relays that tell of a lane cannot be heard');
      });
      redis.subscribe(CHANGES_CHANNEL).then(
        () => {
          for (const listener of this.#listeners) listener.onListening();
        },
        (error: unknown) => {
          this.#logger.error({ err: error }, 'the changes of the lanes cannot be heard');
          // This makes a new attempt, as after any other loss.
          redis.disconnect(true);
        },
      );
    });
    redis.on('message', (channel, text) => {
      if (channel === TELLERS_CHANNEL) {
        this.#hearTeller(text);
        return;
      }
      // Heartbeats come here too, and are the gateways' matter.
      const change = parseChange(text);
      if (change === undefined) return;
      for (const listener of this.#listeners) listener.onChange(change);
    });
    redis.connect().catch(() => undefined);
    return redis;
  }

  #hearTeller(text: string): void {
    const [name = '', token = ''] = text.split(' ');
    const lane = parseLane(name);
    if (lane === undefined) return;
    for (const listener of this.#listeners) listener.onTeller?.(lane, token);
  }
}
