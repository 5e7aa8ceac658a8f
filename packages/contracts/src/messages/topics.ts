import { fnv1a } from '../values/hash.ts';

export interface Topic {
  name: string;
  /**
   * The number of partitions is fixed at creation. There must be more partitions than intake replicas, or the
   * surplus replicas idle.
   */
  partitions: number;
}

export const TOPICS = {
  reservations: { name: 'seckill.reservations', partitions: 12 },
  settlements: { name: 'seckill.settlements', partitions: 12 },
  deadLetters: { name: 'seckill.dead-letters', partitions: 3 },
} as const satisfies Record<string, Topic>;

/**
 * The partition of a key. Producers name it themselves instead of leaving it to the client library, because
 * the acknowledgement has to be checked against the very partitions sent to (D3).
 */
export function partitionOf(topic: Topic, key: string): number {
  return fnv1a(key) % topic.partitions;
}
