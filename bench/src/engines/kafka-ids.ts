import { randomUUID } from 'node:crypto';
import { HEADERS, TOPICS } from '@seckill/contracts';
import type { Kafka } from '@seckill/runtime';

/** A consumer joins and reads 100,000 messages in some seconds. This time also covers a loaded machine. */
const READ_MS = 60_000;

export interface PublishedIds {
  ids: Set<string>;
  /**
   * The ids of which no message came from the outbox: stock published each of them again, from a hold whose
   * order was missing (D7, `services/stock/src/relay/orphaned-holds.ts`).
   */
  fromHolds: Set<string>;
}

interface Reading {
  from: Map<number, number>;
  ends: Map<number, number>;
  prefix: string;
}

/**
 * Reads what the reservations topic itself holds between two sets of offsets, in a consumer group of its own.
 * Keeps the keys (reservation ids) with the prefix.
 * @throws Error when the ends are not reached within a minute.
 */
export async function readIds(kafka: Kafka, { from, ends, prefix }: Reading): Promise<PublishedIds> {
  const topic = TOPICS.reservations.name;
  const ids = new Set<string>();
  const fromHolds = new Set<string>();
  const open = new Map([...ends].filter(([partition, end]) => end > (from.get(partition) ?? 0)));
  if (open.size === 0) return { ids, fromHolds };
  const groupId = `seckill.bench.${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 250 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('the reservations topic could not be read in a minute'));
      }, READ_MS);
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            for (const { key, offset, headers } of batch.messages) {
              const id = key?.toString() ?? '';
              if (Number(offset) < (from.get(batch.partition) ?? 0) || !id.startsWith(prefix)) continue;
              if (headers?.[HEADERS.republished] === undefined) fromHolds.delete(id);
              else if (!ids.has(id)) fromHolds.add(id);
              ids.add(id);
            }
            if (Number(batch.lastOffset()) + 1 >= (open.get(batch.partition) ?? Infinity)) {
              open.delete(batch.partition);
            }
            if (open.size === 0) {
              clearTimeout(timer);
              resolve();
            }
          },
        })
        .catch(reject);
      for (const [partition, offset] of from) consumer.seek({ topic, partition, offset: String(offset) });
    });
    return { ids, fromHolds };
  } finally {
    await consumer.disconnect();
    const admin = kafka.admin();
    await admin.connect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect();
  }
}
