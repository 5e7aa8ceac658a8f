import type { Topic } from '@seckill/contracts';
import type { Consumer, Kafka } from 'kafkajs';
import { traceBatch } from '../../tracing/message-spans.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import { isKafkaJsError } from '../kafka-errors.ts';
import { ConsumerRestarts } from './consumer-restarts.ts';
import { connectGroup, GroupTakeover, type MemberStore } from './group-takeover.ts';
import { KafkaCommits } from './kafka-commits.ts';
import { OffsetsReader, type PartitionOffsets } from './offsets-reader.ts';

export interface IncomingMessage {
  key: string | undefined;
  value: Buffer | undefined;
  offset: bigint;
  headers: Record<string, string>;
}

export interface Batch {
  topic: string;
  partition: number;
  messages: IncomingMessage[];
  /** Where the next message of the partition will stand, as Kafka said with this batch. */
  end?: bigint;
}

export interface BatchContext {
  /**
   * Keeps our place in the group. Throws when the group is being rearranged, and the batch must be left
   * alone.
   */
  heartbeat(): Promise<void>;
  /** Tells that everything up to this offset is stored for good. */
  resolve(offset: bigint): void;
  /** Reads on from this offset. The rest of the batch is void. */
  seek(offset: bigint): void;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
}

/** The partitions that are ours from now on. */
export interface Assignment {
  topic: string;
  partitions: number[];
  /** Must be called before `seek`, which overwrites `committed`. @throws kafkajs' own error. */
  readOffsets: () => Promise<PartitionOffsets[]>;
  /** Tells where to read on. A batch fetched before may still come. */
  seek: (partition: number, offset: bigint) => void;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
}

export interface ConsumerOptions {
  kafka: Kafka;
  groupId: string;
  topic: Topic;
  /** Who else lives in the group. Absent: a dead member keeps its partitions for the session time, 10 s. */
  members?: MemberStore;
  /** Partitions handled at the same time. */
  concurrency: number;
  onBatch: (batch: Batch, context: BatchContext) => Promise<void>;
  tracing?: Tracing | undefined;
  /**
   * Tells that partitions may have moved: what is remembered about positions is void. Absent: nothing is
   * remembered.
   */
  onAssigned?: (assignment: Assignment) => void;
  /**
   * Called when Kafka refuses us, when a consumer that kafkajs gave up could not be started again, or when a
   * batch met an error that is not Kafka's. The process must end.
   */
  onFail: (error: unknown) => void;
}

/**
 * Starts consuming from the beginning of whatever the group has not committed. Offsets in Kafka are a
 * by-product for lag monitoring; the truth stands in Postgres (docs/recovery.md).
 * @returns a function that stops after the batches under way.
 */
export async function startConsumer(options: ConsumerOptions): Promise<() => Promise<void>> {
  const abort = new AbortController();
  const consumer = options.kafka.consumer({
    groupId: options.groupId,
    allowAutoTopicCreation: false,
    sessionTimeout: 10_000,
    // A rearrangement of the group is noticed with the next heartbeat.
    heartbeatInterval: 500,
    rebalanceTimeout: 30_000,
    // The default of 5 s delays every disconnect by as much.
    maxWaitTimeInMs: 250,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 1_000,
      retries: 10,
      // When a crash was under way, kafkajs would start again after our stop. The consumer would be a member
      // that nobody can stop any more.
      restartOnFailure: async () => !abort.signal.aborted,
    },
  });
  const takeover = options.members && createTakeover(options, options.members);
  const commits = new KafkaCommits(consumer, options.topic.name, options.kafka.logger());
  const offsets = new OffsetsReader(options.kafka, options.groupId, options.topic.name);
  const seek = (partition: number, offset: bigint) => {
    if (!seekInGroup(consumer, { topic: options.topic.name, partition, offset: offset.toString() })) return;
    // The commit may also go backwards: what Kafka remembers beyond it would look like something that
    // Postgres has lost.
    commits.note(partition, offset);
  };
  const runner = { seek, commits, signal: abort.signal };
  const restarts = new ConsumerRestarts({
    groupId: options.groupId,
    start: () => run(consumer, options, runner),
    onFail: options.onFail,
    log: options.kafka.logger(),
    signal: abort.signal,
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    commits.forget();
    void takeover?.joined(payload.memberId);
    const topic = options.topic.name;
    const partitions = payload.memberAssignment[topic] ?? [];
    const readOffsets = () => offsets.read(partitions);
    options.onAssigned?.({ topic, partitions, readOffsets, seek, signal: abort.signal });
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    // With restart:true kafkajs leaves and rejoins on its own. With restart:false it is dead while the
    // process lives on.
    if (!payload.restart) restarts.crashed(payload.error);
  });
  const watching = takeover?.run(abort.signal);
  if (options.onAssigned !== undefined) offsets.prepare();
  try {
    await run(consumer, options, runner);
  } catch (error) {
    // The caller starts anew. Half a consumer would keep its connections, and a place in the group.
    abort.abort();
    await watching;
    await offsets.close();
    await consumer.disconnect().catch(() => undefined);
    throw error;
  }
  const committing = commits.run(abort.signal);
  return async () => {
    abort.abort();
    await committing;
    await restarts.settled();
    await consumer.disconnect();
    await offsets.close();
    await watching;
  };
}

/**
 * Tells Kafka where to read on, if the consumer is in a group. One that has just crashed is in none. Such a
 * consumer will be told at its next join, which brings a new assignment.
 */
export function seekInGroup(
  consumer: Pick<Consumer, 'seek'>,
  place: { topic: string; partition: number; offset: string },
): boolean {
  try {
    consumer.seek(place);
    return true;
  } catch (error) {
    if (isKafkaJsError(error) && error.message.includes('Consumer group was not initialized')) return false;
    throw error;
  }
}

function createTakeover({ kafka, groupId }: ConsumerOptions, members: MemberStore): GroupTakeover {
  return new GroupTakeover({
    groupId,
    members,
    connect: () => connectGroup(kafka, groupId),
    log: kafka.logger(),
  });
}

async function run(
  consumer: Consumer,
  options: ConsumerOptions,
  { seek, commits, signal }: { seek: Assignment['seek']; commits: KafkaCommits; signal: AbortSignal },
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic: options.topic.name, fromBeginning: true });
  await consumer.run({
    eachBatchAutoResolve: false,
    autoCommit: false,
    partitionsConsumedConcurrently: options.concurrency,
    eachBatch: async (payload) => {
      const { batch } = payload;
      if (!payload.isRunning() || payload.isStale()) return;
      const { generation } = commits;
      const messages = batch.messages.map(({ key, value, offset, headers }) => ({
        key: key?.toString(),
        value: value ?? undefined,
        offset: BigInt(offset),
        headers: Object.fromEntries(
          Object.entries(headers ?? {}).map(([name, content]) => [name, String(content)]),
        ),
      }));
      const context: BatchContext = {
        heartbeat: () => payload.heartbeat(),
        resolve: (offset) => {
          payload.resolveOffset(offset.toString());
          if (!payload.isStale()) commits.note(batch.partition, offset + 1n, generation);
        },
        seek: (offset) => {
          seek(batch.partition, offset);
        },
        signal,
      };
      try {
        const { topic, partition, highWatermark } = batch;
        const received = { topic, partition, messages, end: BigInt(highWatermark) };
        await traceBatch(options.tracing, received, () => options.onBatch(received, context));
      } catch (error) {
        // kafkajs needs its own errors back, to join the group again. Any other error kafkajs would repeat
        // for ever.
        if (!isKafkaJsError(error)) options.onFail(error);
        throw error;
      }
      // Nobody commits any more, and kafkajs leaves the group when the last batch has ended.
      if (signal.aborted) await commits.commit();
    },
  });
}
