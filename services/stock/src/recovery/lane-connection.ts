import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import type { Lane } from '../redis/keys.ts';
import { LaneError } from './lane-error.ts';

/** The connection to the node that serves the lane now, and the identity of that node. */
export interface LaneConnection {
  redis: Connection['redis'];
  runId: string;
}

/** @throws LaneError while the identity is not known; UnservedError. */
export function connectionTo(connections: Pick<Connections, 'of'>, lane: Lane): LaneConnection {
  const { redis, runId } = connections.of(lane);
  if (runId === undefined) throw new LaneError('the connection to Redis is not ready');
  return { redis, runId };
}
