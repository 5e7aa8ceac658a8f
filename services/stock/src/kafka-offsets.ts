import { TOPICS, type KafkaEnds, type Topic } from '@seckill/contracts';
import { connectKafka, type Kafka, type Logger } from '@seckill/runtime';

export class KafkaAwayError extends Error {
  override readonly name = 'KafkaAwayError';
  readonly code = 'SECKILL_KAFKA_AWAY';
}

/** How far Kafka has come. Each throws KafkaAwayError or kafkajs' own error when Kafka cannot be asked. */
export interface KafkaOffsets {
  /** The offset behind the last message of each partition; without a topic, of `seckill.reservations`. */
  readEnds(topic?: Topic): Promise<KafkaEnds>;
  /** Messages before these ends that a group has not committed. */
  readLag(topic: Topic, groupId: string, ends: KafkaEnds): Promise<number>;
  /** Messages that a topic holds. */
  count(topic: Topic): Promise<number>;
}

/** Connects in the background, for stock must start and sell while Kafka is away. */
export function createKafkaOffsets(
  kafka: Kafka,
  logger: Logger,
  started: Promise<unknown> = Promise.resolve(),
): KafkaOffsets & { close: () => Promise<void> } {
  const admin = kafka.admin();
  const stop = new AbortController();
  let isConnected = false;
  const connecting = started
    .then(() => connectKafka(() => admin.connect(), stop.signal, logger))
    .then(() => {
      isConnected = !stop.signal.aborted;
    });

  async function readTopic({ name, partitions }: Topic) {
    if (!isConnected) throw new KafkaAwayError('not connected to Kafka yet');
    const offsets = await admin.fetchTopicOffsets(name);
    // A partition that is missing would pass for an empty one.
    if (offsets.length < partitions) {
      throw new KafkaAwayError(`${name} has ${offsets.length} partitions, not ${partitions}`);
    }
    return offsets.map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }));
  }

  async function readEndsOf(topic: Topic): Promise<KafkaEnds> {
    const ends: string[] = [];
    for (const { partition, high } of await readTopic(topic)) ends[partition] = String(high);
    return ends;
  }

  /** For each topic the question under way, and the next one, which answers all who asked meanwhile. */
  const questions = new Map<string, { running: Promise<KafkaEnds>; next?: Promise<KafkaEnds> }>();

  function ask(topic: Topic): Promise<KafkaEnds> {
    const running = readEndsOf(topic).finally(() => {
      if (questions.get(topic.name)?.running === running) questions.delete(topic.name);
    });
    questions.set(topic.name, { running });
    return running;
  }

  return {
    // The ends must be read after they were asked for (INV-2), so nobody shares a question that is under way.
    // All who ask meanwhile share the next one: 32 sales that are created at once make two questions.
    async readEnds(topic = TOPICS.reservations) {
      const question = questions.get(topic.name);
      if (question === undefined) return ask(topic);
      question.next ??= question.running.then(
        () => ask(topic),
        () => ask(topic),
      );
      return question.next;
    },
    async readLag(topic, groupId, ends) {
      const [partitions, answer] = await Promise.all([
        readTopic(topic),
        admin.fetchOffsets({ groupId, topics: [topic.name] }),
      ]);
      const committed = new Map(
        answer[0]?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]),
      );
      return partitions.reduce((lag, { partition, low }) => {
        const next = committed.get(partition) ?? -1n;
        // -1: nothing committed yet. Below `low`: retention has removed what was read.
        const missing = BigInt(ends[partition] ?? '0') - (next < low ? low : next);
        return lag + (missing > 0n ? Number(missing) : 0);
      }, 0);
    },
    async count(topic) {
      const partitions = await readTopic(topic);
      return partitions.reduce((sum, { low, high }) => sum + Number(high - low), 0);
    },
    async close() {
      stop.abort();
      await connecting;
      await admin.disconnect();
    },
  };
}
