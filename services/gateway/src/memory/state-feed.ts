import { Announcement, statesChannel } from '@seckill/contracts';
import { createRedis, readNode, type Logger, type RedisNode } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { MemoryMetrics } from './metrics.ts';
import { RedisTime } from './redis-time.ts';

const announcement = Compile(Announcement);

/** This is also a heartbeat: a connection that went silent answers no TIME and is replaced. */
const TIME_EVERY_MS = 1_000;

export interface StateFeedDeps {
  /** `time`: the clock of the Redis that told it. */
  onAnnouncement: (announcement: Announcement, time: RedisTime) => void;
  logger: Logger;
  metrics: Pick<MemoryMetrics, 'announcements'>;
}

export interface StateFeed {
  readonly time: RedisTime;
  /**
   * The node's name, as it said last. Undefined while the node is away, and for a Redis that is no node of a
   * cluster.
   */
  readonly node: RedisNode | undefined;
  close(): void;
}

/**
 * All that the gateway exchanges with one Redis. The feed subscribes and asks for the time on one connection,
 * so a clock is never taken from another Redis than the states. For that each node of a cluster has a channel
 * of its own, although every node would hear the channels of all. The feed connects in the background, for
 * ever. While it is away nothing is known.
 */
export function startStateFeed(
  { url, isCluster }: { url: string; isCluster: boolean },
  { onAnnouncement, logger, metrics }: StateFeedDeps,
): StateFeed {
  // INFO is not used: the feed's user may do no more than subscribe, ask for the time and, in a cluster, for
  // the nodes.
  const redis = createRedis(url, logger, { enableReadyCheck: false, autoResubscribe: false });
  const time = new RedisTime();
  let node: RedisNode | undefined;

  async function readTime(): Promise<void> {
    if (redis.status !== 'ready') return;
    const sentAt = performance.now();
    try {
      const [seconds, microseconds] = await redis.time();
      time.read(Number(seconds) * 1_000 + Number(microseconds) / 1_000, sentAt, performance.now());
      if (node === undefined) return;
      const now = await readNode(redis);
      // The node was reset by hand: what it is told now goes to another channel.
      if (now.id === node.id) node = now;
      else redis.disconnect(true);
    } catch (error) {
      logger.warn({ err: error }, 'the time of Redis cannot be read');
    }
  }

  async function subscribe(): Promise<void> {
    const answered = isCluster ? await readNode(redis) : undefined;
    await redis.subscribe(statesChannel(answered?.id));
    node = answered;
    await readTime();
  }

  redis.on('ready', () => {
    subscribe().catch((error: unknown) => {
      logger.error({ err: error }, 'the states of the sales cannot be heard');
      // This makes a new attempt, as after any other loss.
      redis.disconnect(true);
    });
  });
  redis.on('close', () => {
    time.forget();
    node = undefined;
  });
  redis.on('message', (_channel, text) => {
    const message = parse(text);
    metrics.announcements.inc({ result: message === undefined ? 'invalid' : 'heard' });
    if (message !== undefined) onAnnouncement(message, time);
  });
  redis.connect().catch(() => undefined);
  const timer = setInterval(() => void readTime(), TIME_EVERY_MS);
  return {
    time,
    get node() {
      return node;
    },
    close() {
      clearInterval(timer);
      redis.disconnect();
    },
  };
}

function parse(text: string): Announcement | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return announcement.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
