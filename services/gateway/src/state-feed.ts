import { Announcement, STATES_CHANNEL } from '@seckill/contracts';
import { createRedis, type Logger } from '@seckill/runtime';
import { Compile } from 'typebox/compile';
import type { MemoryMetrics } from './metrics.ts';
import type { RedisTime } from './redis-time.ts';

const announcement = Compile(Announcement);

/** Also a heartbeat: a connection that went silent answers no TIME and is replaced. */
const TIME_EVERY_MS = 1_000;

export interface StateFeedOptions {
  url: string;
  time: RedisTime;
  hear: (announcement: Announcement) => void;
  logger: Logger;
  metrics: Pick<MemoryMetrics, 'announcements'>;
}

export interface StateFeed {
  close(): void;
}

/**
 * The gateway's only word with Redis: it subscribes and asks for the time, on one connection, so that a clock is never
 * taken from another Redis than the states. Connects in the background, for ever; while it is away nothing is known.
 */
export function startStateFeed({ url, time, hear, logger, metrics }: StateFeedOptions): StateFeed {
  // No INFO: its user may do no more than subscribe and ask for the time.
  const redis = createRedis(url, logger, { enableReadyCheck: false, autoResubscribe: false });

  async function readTime(): Promise<void> {
    if (redis.status !== 'ready') return;
    const sentAt = performance.now();
    try {
      const [seconds, microseconds] = await redis.time();
      time.read(Number(seconds) * 1_000 + Number(microseconds) / 1_000, sentAt, performance.now());
    } catch (error) {
      logger.warn({ err: error }, 'the time of Redis cannot be read');
    }
  }

  redis.on('ready', () => {
    redis.subscribe(STATES_CHANNEL).then(readTime, (error: unknown) => {
      logger.error({ err: error }, 'the states of the sales cannot be heard');
      // A new attempt, as after any other loss.
      redis.disconnect(true);
    });
  });
  redis.on('close', () => {
    time.forget();
  });
  redis.on('message', (_channel, text) => {
    const message = parse(text);
    metrics.announcements.inc({ result: message === undefined ? 'invalid' : 'heard' });
    if (message !== undefined) hear(message);
  });
  redis.connect().catch(() => undefined);
  const timer = setInterval(() => void readTime(), TIME_EVERY_MS);
  return {
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
