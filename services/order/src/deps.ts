import type { Lifecycle, Logger } from '@seckill/runtime';
import type { Config } from './config.ts';
import type { OrderMetrics } from './metrics.ts';

/** What every role of one order process is started with. */
export interface OrderDeps {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  metrics: OrderMetrics;
  /** Tells the relay of this process, if it runs one, that there is something to publish. */
  wake: () => void;
}
