import {
  Announcement,
  CHANGES_CHANNEL,
  Heartbeat,
  parseChange,
  statesChannel,
  type Change,
} from '@seckill/contracts';
import { createRedis, readNode, type Logger, type RedisNode } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { MemoryMetrics } from './metrics.ts';
import { StateSource } from './state-source.ts';

const announcement = Compile(Announcement);
const heartbeat = Compile(Heartbeat);

/** This is also a heartbeat: a connection that went silent answers no TIME and is replaced. */
const TIME_EVERY_MS = 1_000;

export interface StateFeedDeps {
  /** `source`: the Redis that told it. */
  onAnnouncement: (announcement: Announcement, source: StateSource) => void;
  onChange: (change: Change, source: StateSource) => void;
  logger: Logger;
  metrics: Pick<MemoryMetrics, 'announcements'>;
}

export interface StateFeed {
  readonly source: StateSource;
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
  { onAnnouncement, onChange, logger, metrics }: StateFeedDeps,
): StateFeed {
  // INFO is not used: the feed's user may do no more than subscribe, ask for the time and, in a cluster, for
  // the nodes.
  const redis = createRedis(url, logger, { enableReadyCheck: false, autoResubscribe: false });
  const source = new StateSource();
  let node: RedisNode | undefined;
  /** Redis is to tell the time for the first time since. */
  let isSubscribed = false;

  async function readTime(): Promise<void> {
    if (redis.status !== 'ready') return;
    const sentAt = performance.now();
    try {
      const [seconds, microseconds] = await redis.time();
      const said = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
      source.time.read(said, sentAt, performance.now());
      if (isSubscribed) {
        isSubscribed = false;
        source.begin(said);
      }
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
    // One connection for both, so that a state and the changes around it come in their order.
    await redis.subscribe(statesChannel(answered?.id), CHANGES_CHANNEL);
    isSubscribed = true;
    node = answered;
    await readTime();
  }

  function hearChange(text: string): void {
    const change = parseChange(text);
    if (change !== undefined) {
      source.note(change.at);
      onChange(change, source);
      return;
    }
    const told = parse(text, heartbeat);
    if (told === undefined) metrics.announcements.inc({ result: 'invalid' });
    // In a cluster every node tells the heartbeats of all.
    else if (told.node === node?.id) source.hear(told);
  }

  redis.on('ready', () => {
    subscribe().catch((error: unknown) => {
      logger.error({ err: error }, 'the states of the sales cannot be heard');
      // This makes a new attempt, as after any other loss.
      redis.disconnect(true);
    });
  });
  redis.on('close', () => {
    source.forget();
    isSubscribed = false;
    node = undefined;
  });
  redis.on('message', (channel, text) => {
    if (channel === CHANGES_CHANNEL) {
      hearChange(text);
      return;
    }
    const message = parse(text, announcement);
    metrics.announcements.inc({ result: message === undefined ? 'invalid' : 'heard' });
    if (message !== undefined) onAnnouncement(message, source);
  });
  redis.connect().catch(() => undefined);
  const timer = setInterval(() => void readTime(), TIME_EVERY_MS);
  return {
    source,
    get node() {
      return node;
    },
    close() {
      clearInterval(timer);
      redis.disconnect();
    },
  };
}

function parse<Message>(
  text: string,
  schema: { Check(value: unknown): value is Message },
): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return schema.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
