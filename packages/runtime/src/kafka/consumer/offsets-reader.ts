import type { Admin, Kafka } from 'kafkajs';

/** What Kafka knows of a partition. */
export interface PartitionOffsets {
  partition: number;
  /** The first message that it still has. */
  low: bigint;
  /** The offset of the next message. */
  high: bigint;
  /**
   * Where the group would read on, by Kafka's own memory. This is a hint. Absent: Kafka remembers nothing.
   */
  committed?: bigint;
}

/**
 * Asks Kafka where partitions stand, by a connection of its own, because this is asked only once an
 * assignment. The connection for the first assignment is opened while the consumer waits for its place in
 * the group: what waits in the partitions would wait for it too.
 */
export class OffsetsReader {
  readonly #kafka: Kafka;
  readonly #groupId: string;
  readonly #topic: string;
  #prepared: Promise<Admin | undefined> | undefined;

  constructor(kafka: Kafka, groupId: string, topic: string) {
    this.#kafka = kafka;
    this.#groupId = groupId;
    this.#topic = topic;
  }

  /** Never throws: the first question connects anew then. */
  prepare(): void {
    this.#prepared = this.#open().catch(() => undefined);
  }

  /** @throws kafkajs' own error. */
  async read(partitions: number[]): Promise<PartitionOffsets[]> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    const admin = (await prepared) ?? (await this.#open());
    try {
      // The committed offsets are read first: what the group stores meanwhile must not look like something it
      // has lost.
      const groups = await admin.fetchOffsets({ groupId: this.#groupId, topics: [this.#topic] });
      const committed = new Map(
        groups
          .flatMap((group) => group.partitions)
          .map(({ partition, offset }) => [partition, BigInt(offset)]),
      );
      const offsets: PartitionOffsets[] = [];
      for (const { partition, low, high } of await admin.fetchTopicOffsets(this.#topic)) {
        if (!partitions.includes(partition)) continue;
        const offset = committed.get(partition) ?? -1n;
        offsets.push({
          partition,
          low: BigInt(low),
          high: BigInt(high),
          ...(offset < 0n ? {} : { committed: offset }),
        });
      }
      return offsets;
    } finally {
      await close(admin);
    }
  }

  /** Closes what was opened and not asked. Never throws. */
  async close(): Promise<void> {
    const admin = await this.#prepared;
    this.#prepared = undefined;
    if (admin !== undefined) await close(admin);
  }

  async #open(): Promise<Admin> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      // Without this kafkajs knows no broker to ask for the group, and tries again 0.1 s later.
      await admin.fetchTopicMetadata({ topics: [this.#topic] });
      return admin;
    } catch (error) {
      await close(admin);
      throw error;
    }
  }
}

async function close(admin: Admin): Promise<void> {
  await admin.disconnect().catch(() => undefined);
}
