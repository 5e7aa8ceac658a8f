import {
  detailOf,
  parseReservationId,
  TOPICS,
  type EndedPage,
  type EndedQuery,
  type KafkaEnds,
  type Opening,
  type OpeningRequest,
  type OrderCursor,
  type SnapshotRequest,
  type Verdicts,
  type VerdictsRequest,
} from '@seckill/contracts';
import { Problem, type Clock, type Pool } from '@seckill/runtime';
import { keyOf, readRetakes } from '../late-money/retake-store.ts';
import { openEpoch } from './open-epoch.ts';
import { refuse } from '../invalid-request.ts';
import type { SaleStore } from '../sales/sale-store.ts';
import {
  readEnded,
  readPage,
  readReturned,
  takeSnapshot,
  type SnapshotRefusal,
  type SnapshotText,
} from './snapshots.ts';

/** Below the 3 s that stock waits for an answer. After those stock asks again. */
const DRAIN_WAIT_MS = 2_000;
/** A look reads 12 rows. The intake stores a batch about every 10 ms when it has some. */
const DRAIN_POLL_MS = 50;

export interface RecoveryDeps {
  pool: Pool;
  store: Pick<SaleStore, 'read'>;
  clock: Clock;
}

/** Order's word in the check and the rebuild of a sale's lanes (docs/recovery.md). */
export class Recovery {
  readonly #deps: RecoveryDeps;

  constructor(deps: RecoveryDeps) {
    this.#deps = deps;
  }

  /**
   * Raises the epoch and tells what the sale is under it.
   * @throws Problem `sale_not_found`; `sale_closed` when it is retired; `ends_missing` when it was opened
   * before; `sale_unavailable` when the intake has not stored everything before `ends` in 2 s: repeat.
   */
  async takeSnapshot(saleId: string, { above = 0, ends }: SnapshotRequest): Promise<SnapshotText> {
    const isDrained = await this.#drain(ends);
    const snapshot = await takeSnapshot(this.#deps.pool, saleId, { above, isDrained });
    if (typeof snapshot === 'string') throw toProblem(snapshot);
    return snapshot;
  }

  /** @throws Problem `sale_not_found`, `sale_closed`. */
  async readPage(saleId: string, after: OrderCursor): Promise<SnapshotText> {
    const sale = await this.#deps.store.read(saleId);
    if (sale === undefined || sale.isRetired) {
      throw toProblem(sale === undefined ? 'sale_not_found' : 'sale_closed');
    }
    return readPage(this.#deps.pool, saleId, after);
  }

  /** @throws as takeSnapshot; `invalid_request` when the sale has no such lane. */
  async open(saleId: string, request: OpeningRequest): Promise<Opening> {
    const isDrained = await this.#drain(request.ends);
    const opening = await openEpoch(this.#deps.pool, saleId, request, isDrained);
    if (opening === 'lane_unknown') refuse('not_of_sale', 'lane');
    if (typeof opening === 'string') throw toProblem(opening);
    return opening;
  }

  /**
   * Waits for what is on its way from Kafka: an order that is merely late must not pass for one that got lost
   * (D26).
   * @throws Problem `sale_not_found`, `invalid_request` when an id belongs to another sale,
   * `sale_unavailable` as above.
   */
  async readVerdicts(
    saleId: string,
    { reservationIds, retakes = [], ends }: VerdictsRequest,
  ): Promise<Verdicts> {
    const asked = [...reservationIds, ...retakes.map(({ reservationId }) => reservationId)];
    if (asked.length === 0) refuse('missing_or_malformed', 'reservationIds');
    if (asked.some((id) => parseReservationId(id)?.saleId !== saleId)) {
      refuse('not_of_sale', 'reservationIds');
    }
    if ((await this.#deps.store.read(saleId)) === undefined) throw toProblem('sale_not_found');
    await this.#drain(ends);
    const { rows } = await this.#deps.pool.query<{
      id: string;
      status: 'pending' | Verdicts['ended'][number]['verdict'];
    }>('SELECT id, status FROM orders WHERE id = ANY ($1::text[])', [reservationIds]);
    const known = new Set(rows.map(({ id }) => id));
    const ofRetakes = await readRetakes(this.#deps.pool, retakes);
    const verdictOf = ({ reservationId, retake }: (typeof retakes)[number]) =>
      ofRetakes.get(keyOf(reservationId, retake));
    return {
      ended: [
        ...rows.flatMap(({ id, status }) =>
          status === 'pending' ? [] : [{ reservationId: id, verdict: status }],
        ),
        ...retakes.flatMap((one) => {
          const verdict = verdictOf(one);
          return verdict === undefined ? [] : [{ ...one, verdict }];
        }),
      ],
      unknown: [
        ...reservationIds.filter((id) => !known.has(id)),
        ...retakes.filter((one) => verdictOf(one) === undefined).map(({ reservationId }) => reservationId),
      ],
    };
  }

  /** @throws Problem `sale_not_found`. */
  async readEnded(saleId: string, { since, after }: EndedQuery): Promise<EndedPage> {
    if ((await this.#deps.store.read(saleId)) === undefined) throw toProblem('sale_not_found');
    return readEnded(this.#deps.pool, saleId, since, after);
  }

  /** @throws Problem `sale_not_found`. */
  async readReturned(saleId: string, after: string | undefined): Promise<EndedPage> {
    if ((await this.#deps.store.read(saleId)) === undefined) throw toProblem('sale_not_found');
    return readReturned(this.#deps.pool, saleId, after);
  }

  /**
   * Waits until the intake has stored everything before the ends.
   * @returns false when there are none to wait for.
   */
  async #drain(ends: KafkaEnds | undefined): Promise<boolean> {
    if (ends === undefined) return false;
    const { clock } = this.#deps;
    const deadline = clock.now() + DRAIN_WAIT_MS;
    while (!(await this.#isStored(ends))) {
      if (clock.now() >= deadline) {
        throw new Problem('sale_unavailable', { detail: detailOf('intake_behind') });
      }
      await clock.sleep(DRAIN_POLL_MS);
    }
    return true;
  }

  async #isStored(ends: KafkaEnds): Promise<boolean> {
    const { rows } = await this.#deps.pool.query<{ partition: number; next_offset: string }>(
      'SELECT partition, next_offset FROM intake_offsets WHERE topic = $1',
      [TOPICS.reservations.name],
    );
    const stored = new Map(rows.map(({ partition, next_offset }) => [partition, BigInt(next_offset)]));
    return ends.every((end, partition) => (stored.get(partition) ?? 0n) >= BigInt(end));
  }
}

function toProblem(refusal: SnapshotRefusal): Problem {
  return new Problem(refusal);
}
