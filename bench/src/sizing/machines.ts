/** Reckons cores and memory of a plan from what the manifests ask for and from what an order costs. */
import { CAPACITY } from './capacity.ts';

/** What one pod asks for, as `k8s/base` and the components have it; a test compares them. */
export interface Pod {
  cores: number;
  gigabytes: number;
}

export const PODS = {
  gateway: { cores: 1, gigabytes: 0.5 },
  'stock-http': { cores: 1, gigabytes: 0.5 },
  'stock-relay': { cores: 0.25, gigabytes: 0.375 },
  'stock-settler': { cores: 0.25, gigabytes: 0.375 },
  'stock-audit': { cores: 0.25, gigabytes: 0.375 },
  'order-http': { cores: 0.5, gigabytes: 0.375 },
  'order-intake': { cores: 0.5, gigabytes: 0.375 },
  'order-expiry': { cores: 0.25, gigabytes: 0.375 },
  'order-relay': { cores: 0.25, gigabytes: 0.375 },
  'order-webhooks': { cores: 0.25, gigabytes: 0.375 },
} as const satisfies Record<string, Pod>;

/** Nodes of the engines, as the components `redis-cluster`, `cloudnative-pg` and `strimzi` have them. */
export const ENGINE_NODES = {
  redis: { cores: 1, gigabytes: 2, nodes: 6 },
  postgres: { cores: 1, gigabytes: 2, nodes: 3 },
  kafka: { cores: 0.5, gigabytes: 4, nodes: 3 },
  'kafka-controller': { cores: 0.5, gigabytes: 1, nodes: 3 },
} as const;

/** A common size. Half of each machine stays free, for its own work and for a machine that is lost. */
const MACHINE = { cores: 16, gigabytes: 64 };
const HEADROOM = 0.5;

export interface Machines {
  cores: number;
  gigabytes: number;
  /** Machines of 16 cores and 64 GB, of which half is left free. */
  nodes: number;
  why: string;
}

/**
 * @param replicas of each part that has another number than the rest
 * @param perSecond orders that are stored a second
 */
export function planMachines(
  replicas: Partial<Record<keyof typeof PODS, number>>,
  usual: number,
  perSecond: number,
): Machines {
  const pods = Object.entries(PODS).map(([name, pod]) => ({
    ...pod,
    count: replicas[name as keyof typeof PODS] ?? usual,
  }));
  const engines = [
    { ...ENGINE_NODES.redis, needed: 0 },
    { ...ENGINE_NODES.postgres, needed: perSecond / CAPACITY.postgresRows.value },
    { ...ENGINE_NODES.kafka, needed: perSecond / CAPACITY.kafkaMessages.value },
    { ...ENGINE_NODES['kafka-controller'], needed: 0 },
  ].map(({ cores, gigabytes, nodes, needed }) => ({
    // Each node of an engine carries everything, because a standby or a replica does the same writes.
    cores: needed / HEADROOM <= cores ? cores : Math.ceil(needed / HEADROOM),
    gigabytes,
    count: nodes,
  }));
  const all = [...pods, ...engines];
  const cores = all.reduce((sum, one) => sum + one.count * one.cores, 0);
  const gigabytes = all.reduce((sum, one) => sum + one.count * one.gigabytes, 0);
  const ofServices = pods.reduce((sum, one) => sum + one.count * one.cores, 0);
  const [redis = 0, postgres = 0, kafka = 0, controllers = 0] = engines.map((one) => one.count * one.cores);
  return {
    cores,
    gigabytes,
    nodes: Math.max(
      // The nodes of a Redis Cluster keep away from each other.
      ENGINE_NODES.redis.nodes,
      Math.ceil(Math.max(cores / (MACHINE.cores * HEADROOM), gigabytes / (MACHINE.gigabytes * HEADROOM))),
    ),
    why: `services ${ofServices}, Redis Cluster ${redis}, PostgreSQL ${postgres}, Kafka ${kafka + controllers} cores; machines of ${MACHINE.cores} cores and ${MACHINE.gigabytes} GB, half of each left free`,
  };
}
