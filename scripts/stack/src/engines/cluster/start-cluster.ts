/** The engines of a stack as several nodes each, as production runs them. */
import type { Log } from '../../machine/progress.ts';
import type { EngineName } from '../engine.ts';
import { KAFKA_NODES_ENV, startKafkaNodes } from './kafka-nodes.ts';
import { Nodes, type OnNodeEnded } from './nodes.ts';
import { startPostgresPair } from './postgres-pair.ts';
import { startRedisCluster } from './redis-cluster.ts';

export interface RunningCluster {
  url: string;
  origin: string;
  nodes: Pick<Nodes, 'pids'>;
  /** What the services are told of it, beside its address. */
  env: Record<string, string>;
  stop: () => Promise<void>;
}

export interface ClusterPlace {
  /** A folder of the stack's own. */
  folder: string;
  stack: string;
  log: Log;
  onEnded: OnNodeEnded;
}

/**
 * Starts one engine. On any failure its nodes are stopped again.
 * @throws StackError as `startEngines` does
 */
export async function startCluster(
  engine: EngineName,
  { folder, stack, log, onEnded }: ClusterPlace,
): Promise<RunningCluster> {
  const nodes = new Nodes(onEnded);
  const stop = (): Promise<void> => nodes.stop();
  try {
    if (engine === 'kafka') {
      const started = await startKafkaNodes(nodes, folder, stack, log);
      return { ...started, nodes, env: KAFKA_NODES_ENV, stop };
    }
    if (engine === 'postgres') {
      const { url, standbyUrl, origin } = await startPostgresPair(nodes, folder, stack, log);
      return { url, origin, nodes, env: { DATABASE_REPLICA_URL: standbyUrl }, stop };
    }
    return await startRedis(nodes, stack, log);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startRedis(nodes: Nodes, stack: string, log: Log): Promise<RunningCluster> {
  const cluster = await startRedisCluster(`${stack}-redis`, { log });
  const { primaries, replicas, origin } = cluster;
  [...primaries, ...replicas].forEach((node, index) => {
    const role = index < primaries.length ? 'primary' : 'replica';
    nodes.add(`redis-${role}-${1 + (index % primaries.length)}`, node.child(), async () => {
      await node.restart();
      return node.child();
    });
  });
  return {
    url: primaries[0]?.url ?? '',
    origin,
    nodes,
    env: { REDIS_CLUSTER: 'true' },
    async stop() {
      await nodes.stop();
      await cluster.stop();
    },
  };
}
