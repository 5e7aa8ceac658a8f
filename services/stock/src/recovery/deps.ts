import type { Clock, Logger, Publisher } from '@seckill/runtime';
import type { KafkaOffsets } from '../kafka-offsets.ts';
import type { OrderClient } from '../order-client.ts';
import type { Connections } from '../redis/connections.ts';
import type { ReadHolds } from '../redis/holds.ts';
import type { Lane } from '../redis/keys.ts';
import type { Settle } from '../settler/settlements.ts';
import type { HighWaterMarks } from './high-water-marks.ts';
import type { GateMetrics } from './metrics.ts';
import type { RecoveryLease } from './recovery-lease.ts';

/** What the steps of an opening work with. */
export interface RecoveryDeps {
  connections: Pick<Connections, 'of' | 'group' | 'registry' | 'isMoving' | 'isCluster'>;
  orderClient: Pick<
    OrderClient,
    'takeSnapshot' | 'readSnapshotPage' | 'askOpening' | 'readVerdicts' | 'readEnded' | 'readReturned'
  >;
  offsets: Pick<KafkaOffsets, 'readEnds'>;
  publisher: Publisher;
  readHolds: ReadHolds;
  settle: Settle;
  marks: HighWaterMarks;
  lease: RecoveryLease;
  clock: Clock;
  logger: Logger;
  metrics: GateMetrics;
  /** Told of each step before the step is taken; for progress and for tests. */
  onStep: (step: OpeningStep, lane: Lane) => void;
}

export type OpeningStep = 'close' | 'drain' | 'ends' | 'snapshot' | 'load' | 'verdicts' | 'opening' | 'open';
