import { createRequire } from 'node:module';

interface OffsetManager {
  groupId: string;
  coordinator: unknown;
  cluster: { findGroupCoordinator(group: { groupId: string }): Promise<unknown> };
  commitOffsets: (offsets?: unknown) => Promise<void>;
}

const mended = new WeakSet<OffsetManager>();

/**
 * In kafkajs 2.2.4 a group commits to the coordinator that it joined at, for as long as that broker is
 * connected. Where the group has moved meanwhile (brokers that all started anew), the member's heartbeats
 * reach the new one, so it never joins again, and each commit hears "not the correct coordinator": the lag
 * that Kafka tells grows without an end, and a restart reads all of it again. So whoever hears this looks
 * the coordinator up, and the next attempt, which kafkajs makes, goes there.
 */
export function mendKafkaOffsets(): void {
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/consumer/offsetManager') as { prototype: OffsetManager };
  if (mended.has(prototype)) return;
  mended.add(prototype);
  const commit = prototype.commitOffsets;
  prototype.commitOffsets = async function (this: OffsetManager, offsets?: unknown): Promise<void> {
    try {
      await commit.call(this, offsets);
    } catch (error) {
      if ((error as { type?: unknown }).type === 'NOT_COORDINATOR_FOR_GROUP')
        this.coordinator = await this.cluster.findGroupCoordinator({ groupId: this.groupId });
      throw error;
    }
  };
}
