import { slotOf } from '@seckill/runtime';
import type { Connection } from '../redis/connection.ts';
import type { Connections } from '../redis/connections.ts';
import { formatLane, type Lane } from '../redis/keys.ts';
import { LaneError } from './lane-error.ts';

/** The connection to the node that serves the lane now, and the identity of that node. */
export interface LaneConnection {
  redis: Connection['redis'];
  runId: string;
  /**
   * The node of a cluster and its configuration epoch, which rises whenever another node is promoted in its
   * place, it is promoted itself, or a slot is given to it; '': one Redis.
   */
  server: string;
}

/** @throws LaneError while the identity is not known; UnservedError. */
export function connectionTo(connections: Pick<Connections, 'of'>, lane: Lane): LaneConnection {
  const { redis, runId, node } = connections.of(lane);
  if (runId === undefined) throw new LaneError('the connection to Redis is not ready');
  return { redis, runId, server: node === undefined ? '' : `${node.id}:${node.configEpoch}` };
}

/** What open.lua asks of a node of a cluster; nothing of one Redis. */
export function nodeArguments({ server }: LaneConnection, lane: Lane): [] | [server: string, slot: number] {
  return server === '' ? [] : [server, slotOf(formatLane(lane))];
}
