import { randomBytes } from 'node:crypto';
import type { ControlState, ReserveAnswer, ReserveItem } from '@seckill/contracts';
import {
  createRegistry,
  createRequestSeconds,
  systemClock,
  type Clock,
  type Http,
  type Logger,
  type OutgoingMessage,
  type RedisAddress,
} from '@seckill/runtime';
import { startEngines, type Engines } from '@seckill/stack';
import { silent, untilWithin } from '@seckill/testing';
import type { Test } from 'tap';
import { createAnnouncer } from '../../src/announce/announcer.ts';
import { createApi, type Api } from '../../src/api.ts';
import { createApp } from '../../src/app.ts';
import { AuditReader } from '../../src/audit/reader.ts';
import type { Connection } from '../../src/redis/connection.ts';
import { Connections } from '../../src/redis/connections.ts';
import type { ChangeFeed } from '../../src/change-feed.ts';
import type { OpeningStep } from '../../src/recovery/deps.ts';
import { createReadHolds } from '../../src/redis/holds.ts';
import { formatLane, laneKeys, LANES_KEY } from '../../src/redis/keys.ts';
import { KafkaAwayError, type KafkaOffsets } from '../../src/kafka-offsets.ts';
import { OrderClient } from '../../src/order-client.ts';
import { LaneGauges } from '../../src/relay/lane-gauges.ts';
import { createOutbox } from '../../src/relay/outbox.ts';
import type { RelayMetrics } from '../../src/relay/metrics.ts';
import { startOrderSide, TOKENS, type OrderSide } from './order.ts';

/** The wait is short, because most waits here are for what one service does by itself. */
export const until = untilWithin(10_000);

export interface Built extends Api {
  app: Http;
  auditReader: AuditReader;
  /** The connection to the one Redis or, in a cluster, to one of its nodes. */
  connection: Connection;
  connections: Connections;
  /** Empties the outbox of a sale, as the relay does once Kafka has confirmed it. */
  relay: (saleId: string) => Promise<void>;
  /** Reservations that the lane opener published again. */
  published: OutgoingMessage[];
  order: OrderSide;
  /** Makes a sale that order knows. The keys of the sale go away with the test. */
  addSale: (patch?: Partial<ControlState>) => ControlState;
  send: (
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    options?: { as?: keyof typeof TOKENS | 'nobody'; body?: unknown; headers?: Record<string, string> },
  ) => Promise<{ status: number; body: Record<string, unknown> }>;
  /** Sends a control state as order does: again, until stock acknowledges it. */
  hand: (control: ControlState) => Promise<Record<string, unknown>>;
  reserve: (...items: ReserveItem[]) => Promise<ReserveAnswer[]>;
  /**
   * Reserves as a client does: again with the same keys until every answer is known. @throws when one is
   * refused.
   */
  reserveAll: (items: ReserveItem[]) => Promise<void>;
}

const away = async (): Promise<never> => {
  throw new KafkaAwayError('these tests have no Kafka');
};
const kafkaAway: KafkaOffsets = { readEnds: away, readLag: away, count: away };

/**
 * What main.ts assembles for the role `http`, on a real Redis; nothing runs by itself, and no port is taken.
 */
export async function build(
  t: Test,
  options: {
    redisUrl?: string;
    address?: RedisAddress;
    order?: OrderSide;
    outboxCountMax?: number;
    /** Ends of the topics, for the audit. Without them the audit finds Kafka away. */
    offsets?: KafkaOffsets;
    logger?: Logger;
    onStep?: (step: OpeningStep) => void;
    clock?: Clock;
    /** Gives the part that announces changed gates. The test runs that part. */
    onConnected?: (connections: Connections) => ChangeFeed;
  } = {},
): Promise<Built> {
  const order = options.order ?? (await startOrderSide(t));
  const address = {
    url: options.redisUrl ?? process.env['REDIS_URL'] ?? '',
    isCluster: false,
    ...options.address,
  };
  const connections = new Connections(address, silent);
  await connections.start();
  const [connection] = connections.all();
  if (connection === undefined) throw new Error('never happens: one is started');
  const orderClient = new OrderClient({ url: order.url, token: TOKENS.stock });
  const published: OutgoingMessage[] = [];
  const auditReader = new AuditReader({
    connections,
    orderClient,
    offsets: options.offsets ?? kafkaAway,
    readHolds: createReadHolds(connections),
    clock: systemClock,
  });
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silent;
  const registry = createRegistry();
  const changes = options.onConnected?.(connections);
  const api = createApi({
    connections,
    ...(changes === undefined ? {} : { changes }),
    announcer: createAnnouncer({ connections, clock, logger, registry }),
    orderClient,
    // These tests need no Kafka. Order alone compares the ends of its topics, and order is a stand-in here.
    offsets: { readEnds: async () => ['0'] },
    publisher: { publish: async (_topic, _kind, messages) => void published.push(...messages) },
    auditReader,
    outboxCountMax: options.outboxCountMax ?? 100_000,
    clock,
    random: Math.random,
    logger,
    registry,
    onInvariantBroken: (error) => t.fail(error.message),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  });
  const app = createApp({
    requestSeconds: createRequestSeconds(createRegistry(), 'stock'),
    api,
    tokens: TOKENS,
    isReady: () => true,
    onInvariantBroken: (error) => t.fail(error.message),
    logger: silent,
  });
  const sales: string[] = [];
  t.teardown(async () => {
    await app.close();
    await orderClient.close();
    if (!connections.isCluster && connection.redis.status === 'ready') {
      for (const saleId of sales) {
        await connection.redis.del(...Object.values(laneKeys({ saleId, lane: 0 })));
        await connection.redis.srem(LANES_KEY, formatLane({ saleId, lane: 0 }));
      }
    }
    await connections.close();
  });
  const send: Built['send'] = async (method, path, { as = 'gateway', body, headers } = {}) => {
    const answer = await app.inject({
      method,
      url: path,
      headers: { ...(as === 'nobody' ? {} : { authorization: `Bearer ${TOKENS[as]}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
  };
  const reserve: Built['reserve'] = async (...items) => {
    const { body } = await send('POST', '/internal/reservations', { body: items });
    return body as unknown as ReserveAnswer[];
  };
  return {
    ...api,
    app,
    auditReader,
    connection,
    connections,
    published,
    relay: async (saleId) => {
      const lane = { saleId, lane: 0 };
      const outbox = createOutbox(connections);
      const { entries } = await outbox.read(lane, 10_000);
      const last = entries.at(-1);
      await outbox.lease(lane, 'build', 10_000);
      if (last !== undefined) await outbox.trim(lane, 'build', last.id);
      await outbox.release(lane, 'build');
    },
    order,
    addSale: (patch = {}) => {
      const control = makeControl(patch);
      sales.push(control.saleId);
      order.controls.set(control.saleId, control);
      return control;
    },
    send,
    hand: async (control) => {
      const put = () => send('PUT', `/internal/sales/${control.saleId}`, { as: 'order', body: control });
      let answer = await put();
      await until(
        'stock acknowledges',
        async () => answer.status === 200 || (answer = await put()).status === 200,
      );
      return answer.body;
    },
    reserve,
    reserveAll: async (items) => {
      await until('all are reserved', async () => {
        const outcomes = (await reserve(...items)).map(({ outcome }) => outcome);
        const refused = outcomes.find((outcome) => outcome !== 'reserved' && outcome !== 'outcome_unknown');
        if (refused !== undefined) throw new Error(`a reserve was answered ${refused}`);
        return outcomes.every((outcome) => outcome === 'reserved');
      });
    },
  };
}

/** The gauges of a relay, as its role makes them. */
export function makeGauges(
  { connections }: Pick<Built, 'connections'>,
  metrics: RelayMetrics,
  token = 'relay',
): LaneGauges {
  return new LaneGauges({ connections, metrics, clock: systemClock, logger: silent, token });
}

export function makeControl(patch: Partial<ControlState> = {}): ControlState {
  return {
    saleId: `t-${randomBytes(8).toString('hex')}`,
    version: 1,
    distrustedEpoch: 0,
    state: 'open',
    lanes: 1,
    opensAt: 1,
    closesAt: 4_000_000_000_000,
    holdMs: 900_000,
    currency: 'CNY',
    items: [
      { sku: 'a', price: 2_990, total: 3 },
      { sku: 'b', price: 10, total: 100_000 },
    ],
    channels: [{ id: 'x', cap: 50 }],
    ...patch,
  };
}

export function item(saleId: string, patch: Partial<ReserveItem> = {}): ReserveItem {
  return {
    saleId,
    userId: 'u1',
    idempotencyKey: randomBytes(8).toString('hex'),
    lines: [{ sku: 'a', quantity: 1 }],
    ...patch,
  };
}

/** Starts a Redis of the test's own, to kill, fill or misconfigure. */
export async function startRedis(t: Test): Promise<Engines> {
  // REDIS_URL names the Redis of all tests.
  const shared = process.env['REDIS_URL'];
  Reflect.deleteProperty(process.env, 'REDIS_URL');
  const engines = await startEngines({ name: `stock-${process.pid}`, anyName: true, only: ['redis'] });
  if (shared !== undefined) process.env['REDIS_URL'] = shared;
  t.teardown(() => engines.stop());
  return engines;
}
