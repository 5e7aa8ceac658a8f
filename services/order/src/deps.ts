import type { Lifecycle, Logger, Registry, Tracing } from '@seckill/runtime';
import type { Config } from './config.ts';
import type { SharedMetrics } from './metrics.ts';

/** What every role of one order process is started with. */
export interface OrderDeps {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  registry: Registry;
  /** Absent: nothing is traced. */
  tracing: Tracing | undefined;
  /** Registered once. What one role alone counts is registered by the role. */
  metrics: SharedMetrics;
  /** Tells the relay of this process, if it runs one, that there is something to publish. */
  wake: () => void;
}
