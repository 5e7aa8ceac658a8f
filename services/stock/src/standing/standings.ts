import type { StockStanding, StockState } from '@seckill/contracts';
import type { Clock, Logger } from '@seckill/runtime';
import type { KafkaOffsets } from '../kafka-offsets.ts';
import { isBrokenLane } from '../lane-content-error.ts';
import type { ControlStates } from '../recovery/control-state.ts';
import type { LaneMonitor } from '../recovery/monitor/lane-monitor.ts';
import type { Connections } from '../redis/connections.ts';
import { parseRecord } from '../redis/hold-record.ts';
import { laneKeys, type Lane } from '../redis/keys.ts';

export interface StandingsDeps {
  connections: Pick<Connections, 'of'>;
  controlStates: Pick<ControlStates, 'read'>;
  monitor: Pick<LaneMonitor, 'closedSince' | 'look'>;
  offsets: Pick<KafkaOffsets, 'readEnds'>;
  /** Called when a lane has what no script of ours wrote: it must be loaded anew. */
  onBroken: (lane: Lane, error: Error) => void;
  outboxCountMax: number;
  clock: Clock;
  logger: Logger;
}

type RedisStanding = Pick<StockStanding, 'state' | 'isDamaged' | 'oldestWaiting' | 'fullChannels'>;

/** Kafka that is well answers within some milliseconds; kafkajs repeats a question for half a minute. */
const KAFKA_MS = 1_000;

/**
 * What stock knows of why a sale sells or not. Operators ask this when something is away, so it answers
 * whatever is.
 */
export class Standings {
  readonly #deps: StandingsDeps;
  /** Since when Kafka was asked in vain. */
  #kafkaAwaySince: number | undefined;

  constructor(deps: StandingsDeps) {
    this.#deps = deps;
  }

  async read(saleId: string): Promise<StockStanding> {
    const { monitor, outboxCountMax } = this.#deps;
    const lane = { saleId, lane: 0 };
    const [known, kafka] = await Promise.all([this.#readRedis(lane), this.#askKafka()]);
    if (known.state !== undefined && known.state.gate !== 'open') monitor.look(lane);
    this.#kafkaAwaySince = kafka === 'answers' ? undefined : (this.#kafkaAwaySince ?? Date.now());
    const closedSince = monitor.closedSince(lane);
    const isOpen = known.state?.gate === 'open';
    return {
      ...known,
      kafka,
      ...(this.#kafkaAwaySince === undefined ? {} : { kafkaAwaySince: this.#kafkaAwaySince }),
      outboxMax: outboxCountMax,
      ...(closedSince === undefined || isOpen ? {} : { closedSince }),
    };
  }

  async #readRedis(lane: Lane): Promise<RedisStanding> {
    const { controlStates, logger, onBroken } = this.#deps;
    let state: StockState | undefined;
    try {
      state = await controlStates.read(lane.saleId);
      if (state.gate !== 'open') return { state, fullChannels: [] };
      return { state, ...(await this.#readOldest(lane)), fullChannels: await this.#readFullChannels(lane) };
    } catch (error) {
      const isDamaged = error instanceof Error && isBrokenLane(error);
      if (isDamaged) onBroken(lane, error);
      logger.warn({ err: error, ...lane }, 'the standing of a sale is told without what Redis knows');
      return {
        ...(state === undefined ? {} : { state }),
        ...(isDamaged ? { isDamaged } : {}),
        fullChannels: [],
      };
    }
  }

  async #readOldest(lane: Lane): Promise<Pick<StockStanding, 'oldestWaiting'>> {
    const { redis } = this.#deps.connections.of(lane);
    const [oldest] = await redis.xrange(laneKeys(lane).outbox, '-', '+', 'COUNT', 1);
    const fields = oldest?.[1] ?? [];
    const valueOf = (name: string) => fields[fields.indexOf(name) + 1];
    if (fields.includes('at')) return { oldestWaiting: Number(valueOf('at')) };
    try {
      return { oldestWaiting: parseRecord(valueOf('record') ?? '').reservedAt };
    } catch {
      // An entry that cannot be read becomes a dead letter, and says nothing of its lane (D78).
      return {};
    }
  }

  /** A sale has 1,000 channels at most, and few of them a cap. */
  async #readFullChannels(lane: Lane): Promise<string[]> {
    const { redis } = this.#deps.connections.of(lane);
    const { state } = laneKeys(lane);
    const fields = (await redis.hkeys(state)).filter((field) => field.endsWith(':cap'));
    if (fields.length === 0) return [];
    const channels = fields.map((field) => field.slice(0, -':cap'.length));
    const caps = await redis.hmget(state, ...fields);
    const units = await redis.hmget(state, ...channels.map((id) => `${id}:units`));
    return channels.filter((_, index) => {
      const cap = caps[index] ?? '';
      return cap !== '' && Number(units[index] ?? 0) >= Number(cap);
    });
  }

  /** What is under way when the time is up ends by itself, and answers who asks next. */
  async #askKafka(): Promise<NonNullable<StockStanding['kafka']>> {
    const { offsets, clock } = this.#deps;
    const answered = new AbortController();
    try {
      return await Promise.race([
        offsets.readEnds().then(
          () => 'answers' as const,
          () => 'away' as const,
        ),
        clock.sleep(KAFKA_MS, answered.signal).then(() => 'away' as const),
      ]);
    } finally {
      answered.abort();
    }
  }
}
