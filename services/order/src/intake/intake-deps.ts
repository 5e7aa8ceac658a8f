import type { Clock, Logger, Publisher } from '@seckill/runtime';
import type { IntakeMetrics } from './metrics.ts';
import type { IntakeStore } from './intake-store.ts';

/** What the intake needs of the world. Postgres, Kafka, time and chance all come in here (D40). */
export interface IntakeDeps {
  store: IntakeStore;
  publisher: Publisher;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  clock: Clock;
  logger: Logger;
  metrics: IntakeMetrics;
  /** Messages in one transaction. */
  batchCountMax: number;
  random?: () => number;
}
