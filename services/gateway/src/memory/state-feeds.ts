import { askPrimaryUrls, systemClock, toPrimaryUrls, type RedisAddress } from '@seckill/runtime';
import { startStateFeed, type StateFeed, type StateFeedDeps } from './state-feed.ts';

/** A new primary is heard within this time. Until then stock answers for its sales. */
const REFRESH_MS = 1_000;

export interface StateFeeds {
  /** The same as in StateSource, for the Redis that was silent longest. NaN while none is known. */
  silentSeconds(): number;
  close(): void;
}

/** One feed, or one for each primary of a cluster. */
export function startStateFeeds(address: RedisAddress, deps: StateFeedDeps): StateFeeds {
  if (!address.isCluster) {
    const feed = startStateFeed(address, deps);
    return {
      silentSeconds: () => feed.source.silentSeconds(performance.now()),
      close() {
        feed.close();
      },
    };
  }
  const feeds = new Map<string, StateFeed>();
  const closing = new AbortController();
  void keepFeeds(address.url, feeds, deps, closing.signal);
  return {
    silentSeconds() {
      const now = performance.now();
      const silences = [...feeds.values()].map(({ source }) => source.silentSeconds(now));
      return silences.length === 0 ? Number.NaN : Math.max(...silences);
    },
    close() {
      closing.abort();
      for (const feed of feeds.values()) feed.close();
    },
  };
}

async function keepFeeds(
  seedUrl: string,
  feeds: Map<string, StateFeed>,
  deps: StateFeedDeps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const urls = await readPrimaries(seedUrl, feeds, deps);
      refresh(feeds, urls, deps, signal);
    } catch (error) {
      deps.logger.warn({ err: error }, 'no node of the cluster tells who its primaries are');
    }
    await systemClock.sleep(REFRESH_MS, signal);
  }
}

function refresh(
  feeds: Map<string, StateFeed>,
  urls: Set<string>,
  deps: StateFeedDeps,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  for (const url of urls) {
    if (!feeds.has(url)) feeds.set(url, startStateFeed({ url, isCluster: true }, deps));
  }
  for (const [url, feed] of feeds) {
    if (urls.has(url)) continue;
    feeds.delete(url);
    feed.close();
  }
}

async function readPrimaries(
  seedUrl: string,
  feeds: Map<string, StateFeed>,
  { logger }: StateFeedDeps,
): Promise<Set<string>> {
  const nodes = [...feeds.values()].flatMap(({ node }) => node ?? []);
  return nodes.length === 0 ? askPrimaryUrls(seedUrl, logger) : toPrimaryUrls(nodes, seedUrl);
}
