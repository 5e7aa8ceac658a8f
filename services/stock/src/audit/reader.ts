import { TOPICS, type KafkaEnds, type LedgerReading } from '@seckill/contracts';
import type { Clock } from '@seckill/runtime';
import type { AuditReading } from './judge.ts';
import type { Connections } from '../redis/connections.ts';
import { readLaneState, type LaneState } from '../redis/lane-state.ts';
import type { ReadHolds } from '../redis/holds.ts';
import type { KafkaOffsets } from '../kafka-offsets.ts';
import { LANES_PER_SALE, type Lane } from '../redis/keys.ts';
import type { OrderClient } from '../order-client.ts';
import { parseRecord } from '../redis/hold-record.ts';
import { LaneContentError } from '../lane-content-error.ts';
import { SETTLER_GROUP } from '../settler/settler.ts';

export interface AuditReaderDeps {
  connections: Pick<Connections, 'of'>;
  orderClient: Pick<OrderClient, 'readLedger'>;
  offsets: KafkaOffsets;
  readHolds: ReadHolds;
  clock: Clock;
}

/** An engine could not be asked. There is no audit then, never half of one. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
  readonly code = 'SECKILL_AUDIT_UNREADABLE';
}

/** The sum of 2 s by INV-5, half a second of expiry's grace, and as much for the skew of the clocks. */
const HOLD_OVERDUE_MS = 3_000;
/**
 * This many pages are 10,000 holds, about 100 ms. An ended hold beyond them still shows as a difference of
 * units (INV-3).
 */
const HOLD_PAGES_MAX = 20;
const PAGE_HOLDS = 500;
/**
 * Other sales always have messages under way. The intake stores those sent before this reading within a batch
 * or two.
 */
const CATCH_UP_MS_MAX = 500;
const CATCH_UP_POLL_MS = 50;

/**
 * What is past its end may be on its way: after an engine or a process was frozen, expiry and settler begin
 * again within 3 s. What was watched for longer than that and is still there is stuck. This process may have
 * been frozen too, so what passes between two looks counts as a second at most.
 */
const OVERDUE_WATCHED_MS = 3_500;
const OVERDUE_STEP_MS_MAX = 1_000;
const OVERDUE_PAUSE_MS = 500;
/** The sums of a large sale take long. Whoever asked waits for 10 s (the gateway). */
const OVERDUE_MS_MAX = 5_000;

/** Reads all engines for one sale; changes nothing. */
export class AuditReader {
  readonly #deps: AuditReaderDeps;
  readonly #running = new Map<string, Promise<AuditReading>>();

  constructor(deps: AuditReaderDeps) {
    this.#deps = deps;
  }

  /**
   * Whoever asks for the same sale meanwhile gets the same reading, because its sums cost Postgres 0.3 s for
   * 100,000 orders.
   * @throws OrderError (`gone`: no such sale), AuditError, UpstreamError, KafkaAwayError, UnservedError,
   * kafkajs' or ioredis' error.
   */
  async read(saleId: string): Promise<AuditReading> {
    let running = this.#running.get(saleId);
    if (running === undefined) {
      running = this.#readPatiently(saleId).finally(() => this.#running.delete(saleId));
      this.#running.set(saleId, running);
    }
    return running;
  }

  /**
   * One look cannot tell what is stuck from what is late (INV-5). So it takes several until nothing is past
   * its end. If the time does not suffice for them, the reading says that it is not known yet.
   */
  async #readPatiently(saleId: string): Promise<AuditReading> {
    const { clock } = this.#deps;
    const deadline = clock.now() + OVERDUE_MS_MAX;
    let reading = await this.#read(saleId);
    let lookedAt = clock.now();
    for (let watchedMs = 0; isLate(reading) && watchedMs < OVERDUE_WATCHED_MS;) {
      if (lookedAt > deadline) return { ...reading, mayBeLate: true };
      await clock.sleep(OVERDUE_PAUSE_MS);
      reading = await this.#read(saleId);
      watchedMs += Math.min(clock.now() - lookedAt, OVERDUE_STEP_MS_MAX);
      lookedAt = clock.now();
    }
    return reading;
  }

  /**
   * The order of the readings is the proof. What left Redis before its first reading lies before `ends`. What
   * left Postgres before its first reading lies before the ends that the settler's lag is measured against.
   * So if both sides stood still and everything before these ends has arrived, nothing was between them,
   * however busy other sales are.
   */
  async #read(saleId: string): Promise<AuditReading> {
    const { orderClient, offsets } = this.#deps;
    const lanes = Array.from({ length: LANES_PER_SALE }, (_, lane) => ({ saleId, lane }));
    const redisBefore = await this.#readStates(lanes);
    const ends = await offsets.readEnds(TOPICS.reservations);
    const postgresBefore = await orderClient.readLedger(saleId);
    const settlementEnds = await offsets.readEnds(TOPICS.settlements);
    const unsettled = await this.#untilCaughtUp(
      () => offsets.readLag(TOPICS.settlements, SETTLER_GROUP, settlementEnds),
      (lag) => lag === 0,
    );
    const overdueHolds = await this.#countOverdue(lanes);
    const letters = await offsets.count(TOPICS.deadLetters);
    const redisAfter = await this.#readStates(lanes);
    const postgresAfter = await this.#untilCaughtUp(
      () => orderClient.readLedger(saleId),
      (ledger) => countUnstored(ends, ledger) === 0,
    );
    return {
      redis: [redisBefore, redisAfter],
      postgres: [postgresBefore, postgresAfter],
      kafkaLag: unsettled + countUnstored(ends, postgresAfter),
      // Letters that retention removed may have been replayed, or be done.
      deadLetters: Math.max(0, letters - postgresAfter.replayedDeadLetters),
      overdueHolds,
      mayBeLate: false,
    };
  }

  async #readStates(lanes: Lane[]): Promise<LaneState[]> {
    return Promise.all(
      lanes.map(async (lane) => {
        const { redis, runId } = this.#deps.connections.of(lane);
        if (runId === undefined) throw new AuditError('the connection to Redis is not ready');
        return readLaneState(redis, runId, lane);
      }),
    );
  }

  /** Reads again for half a second. The last answer counts, whatever it is. */
  async #untilCaughtUp<Answer>(
    read: () => Promise<Answer>,
    isCaughtUp: (answer: Answer) => boolean,
  ): Promise<Answer> {
    const { clock } = this.#deps;
    let answer = await read();
    const deadline = clock.now() + CATCH_UP_MS_MAX;
    while (!isCaughtUp(answer) && clock.now() < deadline) {
      await clock.sleep(CATCH_UP_POLL_MS);
      answer = await read();
    }
    return answer;
  }

  /** The holds are judged by Redis' clock, which set their ends. */
  async #countOverdue(lanes: Lane[]): Promise<number> {
    let overdue = 0;
    for (const lane of lanes) {
      let cursor = '0';
      for (let pages = 0; pages < HOLD_PAGES_MAX; pages += 1) {
        const page = await this.#deps.readHolds(lane, cursor, PAGE_HOLDS);
        overdue += page.holds.filter(({ record }) => isOverdue(record, page.now)).length;
        cursor = page.cursor;
        if (cursor === '0') break;
      }
    }
    return overdue;
  }
}

/**
 * A record that cannot be read cannot be settled. Such a record is a finding, not the end of this process.
 */
function isOverdue(record: string, now: number): boolean {
  try {
    return parseRecord(record).expiresAt + HOLD_OVERDUE_MS < now;
  } catch (error) {
    if (error instanceof LaneContentError) return true;
    throw error;
  }
}

function isLate({ postgres, overdueHolds }: AuditReading): boolean {
  return postgres[1].overdue > 0 || overdueHolds > 0;
}

/** How many messages before the ends the intake has not stored. */
function countUnstored(ends: KafkaEnds, { stored }: LedgerReading): number {
  return ends.reduce((count, end, partition) => {
    const missing = BigInt(end) - BigInt(stored[partition] ?? '0');
    return count + (missing > 0n ? Number(missing) : 0);
  }, 0);
}
