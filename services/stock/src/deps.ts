import type { Lifecycle, Logger, Registry, Tracing } from '@seckill/runtime';
import type { Announcer } from './announce/announcer.ts';
import type { Config } from './config.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { Connections } from './redis/connections.ts';

/** What every role of one stock process is started with. */
export interface StockDeps {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  connections: Connections;
  announcer: Announcer;
  changes: ChangeFeed;
  registry: Registry;
  /** Absent: nothing is traced. */
  tracing: Tracing | undefined;
}
