import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { TOPICS, type SaleDefinition, type Topic } from '@seckill/contracts';
import { createKafka, createLogger, type Kafka, type KafkaAccess } from '@seckill/runtime';
import { STAMP } from '@seckill/stock/redis/keys';
import pg from 'pg';
import { readIds, type PublishedIds } from './kafka-ids.ts';
import {
  parseChannels,
  parseItems,
  parseItemsOfBuyer,
  toSuffix,
  type RedisItem,
  type RedisLane,
} from './redis-lane.ts';
import type { LedgerRow, OrderRow, PaymentRow } from './rows.ts';

/** Consumer group of stock's role `settler` (docs/architecture.md, "Parts": one name everywhere). */
const SETTLER_GROUP = 'seckill.settler';
/** Each look opens a connection to Kafka, so looks are not more frequent than this. */
const DRAIN_POLL_MS = 250;

/** The parts of a lane of a cluster have a field that is no buyer and no hold. */
function withoutStamp(fields: Record<string, string>): Record<string, string> {
  const { [STAMP]: _stamp, ...rest } = fields;
  return rest;
}
type Admin = ReturnType<Kafka['admin']>;

/**
 * The audit's own eyes. The reader tells what Redis, Kafka and Postgres hold, past all services. Key formats
 * are those of scripts/lua/README.md.
 */
export class EngineReader {
  readonly #redis: Redis | Cluster;
  readonly #kafka: Kafka;
  readonly #postgres: pg.Pool;

  /**
   * @param access how a Kafka that is not of a stack of ours lets us in. A Kafka of our stacks takes
   * everybody.
   */
  constructor(
    urls: { redis: string; kafka: string; postgres: string; isRedisCluster?: boolean },
    access: KafkaAccess = {},
  ) {
    // The reader only reads, so ioredis may repeat its commands elsewhere.
    this.#redis =
      urls.isRedisCluster === true
        ? new Cluster([urls.redis], { redisOptions: { password: new URL(urls.redis).password } })
        : new Redis(urls.redis, { maxRetriesPerRequest: 3 });
    this.#redis.on('error', () => undefined);
    this.#kafka = createKafka(
      { brokers: urls.kafka.split(','), ...access },
      'audit',
      createLogger('audit', 'silent'),
    );
    this.#postgres = new pg.Pool({ connectionString: urls.postgres, max: 3, statement_timeout: 30_000 });
    this.#postgres.on('error', () => undefined);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
    await this.#postgres.end();
  }

  async lane(saleId: string, lane = 0): Promise<RedisLane> {
    const key = (part: string) => `seckill:{${saleId}:${lane}}:${part}`;
    const [state, buyers, holds, ended, outbox] = await Promise.all([
      this.#redis.hgetall(key('state')),
      this.#redis.hgetall(key('buyers')),
      this.#redis.hgetall(key('holds')),
      this.#redis.hlen(key('keys')),
      this.#redis.xlen(key('outbox')),
    ]);
    return {
      epoch: Number(state['epoch']),
      sequence: Number(state['sequence']),
      outbox,
      items: parseItems(state),
      buyers: new Map(
        Object.entries(withoutStamp(buyers)).map(([user, units]) => [user, Number(units.split(' ')[0])]),
      ),
      itemsOfBuyers: new Map(Object.entries(withoutStamp(buyers)).flatMap(parseItemsOfBuyer)),
      channels: parseChannels(state),
      holds: new Set(Object.entries(withoutStamp(holds)).map(toSuffix)),
      // Where one part of a lane has a stamp, all have one.
      keys: Object.keys(withoutStamp(holds)).length + ended - (STAMP in holds ? 1 : 0),
    };
  }

  async items(saleId: string, lane = 0): Promise<RedisItem[]> {
    return parseItems(await this.#redis.hgetall(`seckill:{${saleId}:${lane}}:state`));
  }

  async orders(saleId: string): Promise<OrderRow[]> {
    const { rows } = await this.#postgres.query<OrderRow>(
      `SELECT id, sale_id, epoch::int AS epoch, sequence::int AS sequence, user_id, idempotency_key, lines, bought, returned, channel_id, status,
              expires_at, ended_at
         FROM orders WHERE sale_id = $1`,
      [saleId],
    );
    return rows;
  }

  async retakes(saleId: string): Promise<string[]> {
    const { rows } = await this.#postgres.query<{ retake: string }>(
      `SELECT epoch || '-' || sequence AS retake FROM retakes WHERE sale_id = $1`,
      [saleId],
    );
    return rows.map(({ retake }) => retake);
  }

  /**
   * Reads the holds of a lane by the hash of buyer and key, and Redis' clock, in one atomic step. The clock
   * is in milliseconds since the epoch.
   */
  async holds(saleId: string, lane = 0): Promise<{ now: number; holds: Set<string> }> {
    const replies = await this.#redis.multi().time().hkeys(`seckill:{${saleId}:${lane}}:holds`).exec();
    const [[, time] = [null, []], [, holds] = [null, []]] = replies ?? [];
    const [seconds, microseconds] = time as [string, string];
    return {
      now: Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000),
      holds: new Set((holds as string[]).filter((field) => field !== STAMP)),
    };
  }

  /** The sale as order stored it: limits and caps come from here, not from whoever asks. */
  async definition(saleId: string): Promise<SaleDefinition> {
    const { rows } = await this.#postgres.query<{ definition: SaleDefinition }>(
      'SELECT definition FROM sales WHERE id = $1',
      [saleId],
    );
    if (rows[0] === undefined) throw new Error(`Postgres knows no sale ${saleId}`);
    return rows[0].definition;
  }

  async ledger(saleId: string): Promise<LedgerRow[]> {
    const { rows } = await this.#postgres.query<LedgerRow>(
      'SELECT sku, total::int AS total, sold::int AS sold FROM ledger WHERE sale_id = $1',
      [saleId],
    );
    return rows;
  }

  async payments(saleId: string): Promise<PaymentRow[]> {
    const { rows } = await this.#postgres.query<PaymentRow>(
      "SELECT order_id, result FROM payments WHERE split_part(order_id, '.', 1) = $1",
      [saleId],
    );
    return rows;
  }

  /** Which of these orders have a row that other connections see. */
  async storedOf(orderIds: string[]): Promise<string[]> {
    const { rows } = await this.#postgres.query<{ id: string }>(
      'SELECT id FROM orders WHERE id = ANY ($1::text[])',
      [orderIds],
    );
    return rows.map(({ id }) => id);
  }

  async outboxLength(saleId: string, lane = 0): Promise<number> {
    return this.#redis.xlen(`seckill:{${saleId}:${lane}}:outbox`);
  }

  /** Sets one setting of a Redis that is ours alone. */
  async configureRedis(name: string, value: string): Promise<void> {
    await this.#redis.config('SET', name, value);
  }

  /** The bytes that Redis has allocated for everything. */
  async redisBytes(): Promise<number> {
    return Number(/used_memory:(\d+)/.exec(await this.#redis.info('memory'))?.[1]);
  }

  /** Counts one sale without reading its rows, for sales that are too large to be judged row by row. */
  async counts(saleId: string): Promise<{ holds: number; sequence: number; rows: number; sold: number }> {
    const key = (part: string) => `seckill:{${saleId}:0}:${part}`;
    const [fields, stamps, sequence, { rows }] = await Promise.all([
      this.#redis.hlen(key('holds')),
      this.#redis.hexists(key('holds'), STAMP),
      this.#redis.hget(key('state'), 'sequence'),
      this.#postgres.query<{ rows: number; sold: number }>(
        `SELECT (SELECT count(*)::int FROM orders WHERE sale_id = $1 AND status = 'pending') AS rows,
           (SELECT coalesce(sum(sold), 0)::int FROM ledger WHERE sale_id = $1) AS sold`,
        [saleId],
      ),
    ]);
    return {
      holds: fields - stamps,
      sequence: Number(sequence),
      rows: rows[0]?.rows ?? 0,
      sold: rows[0]?.sold ?? 0,
    };
  }

  /**
   * Counts the messages of the reservations topic that Postgres has stored, by the offsets beside its rows.
   */
  async countIntake(): Promise<number> {
    const { rows } = await this.#postgres.query<{ count: number }>(
      'SELECT coalesce(sum(next_offset), 0)::int AS count FROM intake_offsets WHERE topic = $1',
      [TOPICS.reservations.name],
    );
    return rows[0]?.count ?? 0;
  }

  /** Waits until outbox and topic are stored. @throws Error after `timeoutMs`. */
  async untilDrained(saleId: string, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const outbox = await this.outboxLength(saleId);
      const backlog = outbox > 0 ? undefined : await this.kafkaBacklog();
      if (backlog === 0) return;
      if (performance.now() > deadline) {
        throw new Error(`not drained: outbox ${outbox}, in Kafka ${backlog ?? 'unknown'}`);
      }
      await sleep(DRAIN_POLL_MS);
    }
  }

  /** Describes what the results depend on: versions, and whether an acknowledged write is on disk. */
  async describe(): Promise<Record<string, string>> {
    const [redis, appendfsync, { rows }] = await Promise.all([
      this.#redis.info('server'),
      this.#redis.config('GET', 'appendfsync'),
      this.#postgres.query<{ name: string; setting: string }>(
        `SELECT name, setting FROM pg_settings
          WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes')`,
      ),
    ]);
    return {
      redis: /redis_version:(\S+)/.exec(redis)?.[1] ?? 'unknown',
      redis_appendfsync: appendfsync[1] ?? 'unknown',
      ...Object.fromEntries(
        rows.map(({ name, setting }) => [
          name === 'server_version' ? 'postgres' : `postgres_${name}`,
          setting,
        ]),
      ),
    };
  }

  /**
   * Takes housekeeping out of what is measured next, whichever side is measured. Redis rewrites its AOF and
   * PostgreSQL writes a checkpoint now, and not at some moment of a run.
   */
  async settleEngines(timeoutMs: number): Promise<void> {
    await this.#postgres.query('CHECKPOINT');
    await this.#redis.bgrewriteaof().catch(() => undefined);
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      const info = await this.#redis.info('persistence');
      if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) return;
      await sleep(50);
    }
  }

  async countOrders(): Promise<number> {
    const { rows } = await this.#postgres.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM orders',
    );
    return rows[0]?.count ?? 0;
  }

  /**
   * Counts the messages of the reservations topic that Postgres has not passed yet, by the offsets stored
   * beside its rows.
   */
  async kafkaBacklog(): Promise<number> {
    const [ends, { rows }] = await Promise.all([
      this.#offsets(TOPICS.reservations),
      this.#postgres.query<{ partition: number; next_offset: string }>(
        'SELECT partition, next_offset FROM intake_offsets WHERE topic = $1',
        [TOPICS.reservations.name],
      ),
    ]);
    const stored = new Map(rows.map((row) => [row.partition, Number(row.next_offset)]));
    return ends.reduce((sum, { partition, low, high }) => sum + high - (stored.get(partition) ?? low), 0);
  }

  /**
   * Counts ends of orders on their way back to Redis: rows that order has not published, and messages that
   * stock has not settled.
   */
  async settlementBacklog(): Promise<{ orderOutbox: number; messages: number }> {
    const { rows } = await this.#postgres.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM outbox WHERE published_at IS NULL',
    );
    const topic = TOPICS.settlements;
    const ends = await this.#offsets(topic);
    const committed = await this.#withAdmin((admin) =>
      admin.fetchOffsets({ groupId: SETTLER_GROUP, topics: [topic.name] }),
    );
    const settled = new Map(
      committed.flatMap(({ partitions }) => partitions.map((one) => [one.partition, Number(one.offset)])),
    );
    const messages = ends.reduce((sum, { partition, low, high }) => {
      const next = settled.get(partition) ?? -1;
      return sum + high - (next < 0 ? low : next);
    }, 0);
    return { orderOutbox: rows[0]?.count ?? 0, messages };
  }

  /** The number of dead letters in the topic. */
  async deadLetters(): Promise<number> {
    const ends = await this.#offsets(TOPICS.deadLetters);
    return ends.reduce((sum, { low, high }) => sum + high - low, 0);
  }

  /** Where the reservations topic ends now, by partition. */
  async reservationEnds(): Promise<Map<number, number>> {
    const ends = await this.#offsets(TOPICS.reservations);
    return new Map(ends.map(({ partition, high }) => [partition, high]));
  }

  /**
   * Reads the reservations topic from `from` to its end.
   * @returns ids of the sale's reservations, each once.
   */
  async publishedIds(saleId: string, from = new Map<number, number>()): Promise<PublishedIds> {
    const ends = await this.reservationEnds();
    return readIds(this.#kafka, { from, ends, prefix: `${saleId}.` });
  }

  async #offsets(topic: Topic): Promise<{ partition: number; low: number; high: number }[]> {
    const offsets = await this.#withAdmin((admin) => admin.fetchTopicOffsets(topic.name));
    return offsets.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }));
  }

  async #withAdmin<Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}
