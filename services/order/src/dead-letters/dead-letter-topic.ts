import { randomBytes } from 'node:crypto';
import { detailOf, TOPICS, type DeadLetter } from '@seckill/contracts';
import { Problem, PublishError, type Kafka, type Producer } from '@seckill/runtime';

/** A dead letter as it lies in its topic. */
export interface Letter {
  /** Partition and offset of the letter itself, not those of the message in it. */
  partition: number;
  offset: bigint;
  /** The key of the letter and of the original message; empty when that had none. */
  key: string;
  parkedAt: Date;
  content: DeadLetter;
}

/** The letters that a partition has: from `low` to the one before `high`. */
export interface OffsetRange {
  partition: number;
  low: string;
  high: string;
}

/** Kafka answers a fetch within half a second. After this long without any batch no answer will come. */
const SILENCE_MS = 20_000;

/**
 * Reads every letter, one after another, from the beginning of the topic to the end that the topic has now.
 * The consumer group is made for this reading and removed afterwards, so no other group's offsets change.
 * @param options.onRanges is told once which letters there are, before the first of them
 * @param options.readingMs how long the reading may take in all, once it has begun.
 * @throws Problem `overloaded` when Kafka falls silent or the time is up; kafkajs' own error; what `onLetter`
 * throws.
 */
export async function readLetters(
  kafka: Kafka,
  onLetter: (letter: Letter) => Promise<void>,
  {
    topic = TOPICS.deadLetters.name,
    readingMs,
    onRanges = async () => undefined,
  }: { topic?: string; readingMs?: number; onRanges?: (ranges: OffsetRange[]) => Promise<unknown> } = {},
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    const ends = new Map<number, bigint>();
    for (const { partition, low, high } of offsets) {
      if (BigInt(high) > BigInt(low)) ends.set(partition, BigInt(high));
    }
    if (ends.size === 0) return;
    await onRanges(offsets.map(({ partition, low, high }) => ({ partition, low, high })));
    const groupId = `seckill.dead-letters.${randomBytes(6).toString('hex')}`;
    try {
      await readTo(kafka, { groupId, topic, ends, onLetter, readingMs });
    } finally {
      // The caller hears of a failure of the reading alone. A group that could not be removed is empty and
      // harms nobody.
      await admin.deleteGroups([groupId]).catch(() => undefined);
    }
  } finally {
    await admin.disconnect();
  }
}

interface Reading {
  groupId: string;
  topic: string;
  /** For each partition the offset behind the last letter to read. A partition that was read is removed. */
  ends: Map<number, bigint>;
  onLetter: (letter: Letter) => Promise<void>;
  readingMs: number | undefined;
}

async function readTo(kafka: Kafka, { groupId, topic, ends, onLetter, readingMs }: Reading): Promise<void> {
  let isOver = false;
  // A consumer that was started again reads from the beginning.
  const next = new Map<number, bigint>();
  const consumer = kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 250,
    // A Kafka that has just started crashes a consumer or two. When the reading is over, kafkajs must not
    // start again: it would read the topic for as long as the process lives.
    retry: { restartOnFailure: async () => !isOver },
  });
  let timer: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const restartTimer = () => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, SILENCE_MS);
      };
      const giveUp = () => {
        reject(new Problem('overloaded', { detail: detailOf('kafka_slow', { topic }) }));
      };
      restartTimer();
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      if (readingMs !== undefined) deadline = setTimeout(giveUp, readingMs);
      consumer
        .run({
          autoCommit: false,
          eachBatch: async (payload) => {
            const { batch } = payload;
            restartTimer();
            const end = ends.get(batch.partition);
            for (const message of batch.messages) {
              const offset = BigInt(message.offset);
              if (end === undefined || offset >= end) break;
              if (offset < (next.get(batch.partition) ?? 0n)) continue;
              next.set(batch.partition, offset + 1n);
              try {
                await onLetter(toLetter(batch.partition, message));
              } catch (error) {
                reject(error instanceof Error ? error : new Error(String(error)));
                return;
              }
              await payload.heartbeat();
            }
            if (end !== undefined && BigInt(batch.lastOffset()) + 1n >= end) ends.delete(batch.partition);
            if (ends.size === 0) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    clearTimeout(timer);
    clearTimeout(deadline);
    isOver = true;
    await consumer.disconnect();
  }
}

interface RawMessage {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
}

function toLetter(partition: number, { offset, timestamp, key, value }: RawMessage): Letter {
  return {
    partition,
    offset: BigInt(offset),
    key: key?.toString() ?? '',
    parkedAt: new Date(Number(timestamp)),
    content: parseContent(value),
  };
}

/** Only services write to this topic. What anybody else wrote is shown, and cannot be replayed. */
function parseContent(value: Buffer | null): DeadLetter {
  try {
    const content = JSON.parse(value?.toString() ?? '') as Partial<DeadLetter> | null;
    const { topic, partition, offset, error, value: original, headers, isTruncated } = content ?? {};
    if (
      typeof topic === 'string' &&
      typeof partition === 'number' &&
      typeof offset === 'string' &&
      typeof original === 'string'
    ) {
      return {
        topic,
        partition,
        offset,
        error: typeof error === 'string' ? error : '',
        value: original,
        ...(headers === undefined ? {} : { headers }),
        ...(isTruncated === true ? { isTruncated } : {}),
      };
    }
  } catch {
    // Told below.
  }
  return {
    topic: '?',
    partition: -1,
    offset: '?',
    error: 'this is not a dead letter',
    value: value?.toString('base64') ?? '',
  };
}

/**
 * Publishes the original message once more, to the topic and partition where it was met.
 * @throws Problem `dead_letter_not_replayable` when it belongs to no topic of ours or is not whole;
 * PublishError or kafkajs' own error when Kafka did not confirm it.
 */
export async function replayLetter(producer: Producer, { key, content }: Letter): Promise<void> {
  const { topic, partition, offset, headers, value, isTruncated } = content;
  const isOurs = topic === TOPICS.reservations.name || topic === TOPICS.settlements.name;
  if (!isOurs) {
    throw new Problem('dead_letter_not_replayable', { detail: detailOf('letter_foreign', { topic }) });
  }
  if (isTruncated === true) {
    const detail = detailOf('letter_truncated', { topic, partition, offset });
    throw new Problem('dead_letter_not_replayable', { detail });
  }
  const answer = await producer.send({
    topic,
    acks: -1,
    timeout: 5_000,
    messages: [
      {
        key: key === '' ? null : key,
        value: Buffer.from(value, 'base64'),
        partition,
        ...(headers === undefined ? {} : { headers }),
      },
    ],
  });
  const isConfirmed = answer.some((one) => one.partition === partition && one.errorCode === 0);
  if (!isConfirmed) throw new PublishError(`${topic}: no confirmation for partition ${partition}`);
}
