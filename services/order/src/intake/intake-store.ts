import { invariant, InvariantError, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { insertOrders, storeClashes, type RefusedOrder } from '../ledger/order-rows.ts';
import type { Reserved } from '../ledger/reservation-message.ts';
import { endRetakes, settleRetakesAgain, storeRetakes } from '../late-money/retake-store.ts';
import { sell, UnjudgedSalesError } from '../ledger/selling.ts';
import { settleAgain } from '../ledger/settlement.ts';
import { payNewOrders, takeIntakeLocks } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import { liftEpochs } from '../recovery/epochs.ts';
import { writeSettlements } from '../relay/outbox.ts';
import { distrustEpochs, distrustEverySale, type DistrustedEpoch } from '../sales/distrusted-epochs.ts';
import {
  assertStored,
  moveOffset,
  readOffset,
  readOffsets,
  writeOffsets,
  type OffsetMove,
} from './offsets/stored-offsets.ts';

/** What one partition brings into a transaction. */
export interface Chunk extends OffsetMove {
  reserved: Reserved[];
}

/** What a transaction did. */
export interface Stored {
  stored: number;
  duplicates: number;
  /** For each new order, how long ago Redis had promised it when this transaction was about to commit. */
  delaySeconds: number[];
  refused: RefusedOrder[];
  /** Payments whose notices had come before their orders. */
  applied: Applied[];
  /** Ended orders whose settlement goes out again. */
  settledAgain: number;
  /** Orders that had expired and are paid by late money, and retakes whose units go back or do not exist. */
  retakes: { paid: number; returned: number; refused: RefusedOrder[] };
  /** Epochs that are distrusted from now on. */
  distrusted: DistrustedEpoch[];
}

/** What the intake needs of Postgres. */
export interface IntakeStore {
  /** @returns the first message of a partition that is not stored. There is none before the first. */
  readOffset(topic: string, partition: number): Promise<bigint | undefined>;
  /** The same for every partition of which something is stored. */
  readOffsets(topic: string): Promise<Map<number, bigint>>;
  /** Says where to read on: the partition in Kafka begins at another message than the one that is due. */
  moveOffset(topic: string, partition: number, next: bigint): Promise<void>;
  /**
   * Distrusts the newest epoch of every sale. Called when Postgres was restored to an earlier state.
   * @returns the epochs that were trusted until now.
   */
  distrustEverySale(): Promise<DistrustedEpoch[]>;
  /**
   * Stores rows, ledger, early payments, settlements and offsets, all or nothing. A repeat stores nothing
   * twice.
   * @param chunks of different partitions.
   * @throws OffsetBehindError when Postgres has less than the caller knows. Then nothing was stored, and
   * the messages in between must be read again.
   */
  storeChunks(chunks: Chunk[]): Promise<Stored>;
}

/**
 * Bounds the attempts of one group of chunks. After an UnjudgedSalesError the next attempt locks these sales
 * whole. That attempt meets more such sales only if another sale is rebuilt in between.
 */
const ATTEMPTS_MAX = 5;

export function createIntakeStore(pool: Pool): IntakeStore {
  return {
    readOffset: (topic, partition) => readOffset(pool, topic, partition),
    readOffsets: (topic) => readOffsets(pool, topic),
    moveOffset: (topic, partition, next) => moveOffset(pool, topic, partition, next),
    distrustEverySale: () => distrustEverySale(pool),
    async storeChunks(chunks) {
      try {
        const reserved = chunks.flatMap((chunk) => chunk.reserved);
        const lifted = await liftEpochs(pool, reserved);
        const stored = await commitChunks(pool, chunks);
        return { ...stored, distrusted: [...lifted, ...stored.distrusted] };
      } catch (error) {
        if (isPastTotal(error)) {
          throw new InvariantError('the intake moved the ledger past its total', { cause: error });
        }
        throw error;
      }
    },
  };
}

/**
 * Our own sums must fit while we hold the locks of the rows. When the constraint refuses, our sums are
 * wrong, and the data are not.
 */
function isPastTotal(error: unknown): boolean {
  return error instanceof Error && 'constraint' in error && error.constraint === 'ledger_sold_within_total';
}

async function commitChunks(pool: Pool, chunks: Chunk[]): Promise<Stored> {
  const wholeSales = new Set<string>();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction(pool, (client) => storeChunks(client, chunks, wholeSales));
    } catch (error) {
      if (!(error instanceof UnjudgedSalesError)) throw error;
      for (const saleId of error.saleIds) wholeSales.add(saleId);
      invariant(attempt < ATTEMPTS_MAX, 'late orders of one transaction keep racing');
    }
  }
}

/**
 * The one order of locks: orders by id, ledger rows by (sale, sku), distrusted epochs, offsets
 * (docs/recovery.md, "Intake").
 */
async function storeChunks(client: PoolClient, chunks: Chunk[], wholeSales: Set<string>): Promise<Stored> {
  const reserved = chunks.flatMap((chunk) => chunk.reserved);
  await takeIntakeLocks(
    client,
    reserved.some(({ isRetake }) => isRetake === true),
  );
  await assertStored(client, chunks);
  const unique = uniqueBy(
    reserved.filter(({ isRetake }) => isRetake !== true),
    ({ reservationId }) => reservationId,
  );
  const retakes = uniqueBy(
    reserved.filter(({ isRetake }) => isRetake === true),
    ({ reservationId, epoch, sequence }) => `${reservationId} ${epoch}-${sequence}`,
  );
  const insertedIds = await insertOrders(client, unique);
  const inserted = unique.filter(({ reservationId }) => insertedIds.has(reservationId));
  const rest = unique.filter(({ reservationId }) => !insertedIds.has(reservationId));
  const clashes = await storeClashes(client, rest);
  const found = await storeRetakes(client, retakes);
  const sold = await sell(client, { inserted, retakes: found.payable }, wholeSales);
  const refused = [...clashes, ...sold.refused];
  await settleRefused(client, unique, refused);
  const ended = await endRetakes(client, found, sold.retakes);
  const repeated = found.known.filter(({ isRepublished }) => isRepublished);
  const settledAgain =
    (await settleRepublished(client, rest, clashes)) + (await settleRetakesAgain(client, repeated));
  // Expiry sees the orders only after this transaction. A payment that was here first wins therefore.
  const newIds = new Set([...insertedIds, ...clashes.map(({ id }) => id)]);
  const newOrders = unique.filter(({ reservationId }) => newIds.has(reservationId));
  const applied = await payNewOrders(
    client,
    newOrders.map(({ reservationId, amount }) => ({ id: reservationId, amount })),
  );
  const contradicted = await findContradictedEpochs(client, [
    ...selectRefused(unique, refused).map(({ saleId }) => ({ saleId })),
    ...ended.refused,
  ]);
  const distrusted = await distrustEpochs(client, [...sold.late, ...contradicted]);
  const now = await writeOffsets(client, chunks);
  return {
    stored: inserted.length - sold.refused.length,
    duplicates: reserved.length - inserted.length - clashes.length - retakes.length + found.known.length,
    delaySeconds: inserted.map(({ reservedAt }) => Math.max(0, now - reservedAt) / 1_000),
    refused,
    applied: [...applied, ...ended.applied],
    settledAgain,
    retakes: {
      paid: ended.paidIds.length,
      returned: ended.returned.length,
      refused: toRefusals(ended.refused, found.forked),
    },
    distrusted,
  };
}

/** Redis holds units for these orders, which do not exist. The hold goes, and gives nothing back. */
async function settleRefused(client: PoolClient, orders: Reserved[], refused: RefusedOrder[]): Promise<void> {
  const ended = selectRefused(orders, refused).map(({ reservationId, saleId, lane, lines }) => ({
    id: reservationId,
    saleId,
    lane,
    lines,
  }));
  await writeSettlements(client, ended, 'refused');
}

/**
 * A known order that stock published again is a hold that nobody ended. Perhaps the message that got lost
 * was its settlement. Ignoring the order would then keep its units for ever, so the settlement is sent
 * again.
 */
async function settleRepublished(
  client: PoolClient,
  rest: Reserved[],
  clashes: RefusedOrder[],
): Promise<number> {
  const clashIds = new Set(clashes.map(({ id }) => id));
  const known = rest.filter(({ reservationId }) => !clashIds.has(reservationId));
  const republished = known.filter(({ isRepublished }) => isRepublished);
  return settleAgain(
    client,
    republished.map(({ reservationId }) => reservationId),
  );
}

/**
 * Redis sold what does not exist, so nothing it holds under this epoch can be trusted (docs/recovery.md,
 * "Refused").
 */
async function findContradictedEpochs(
  client: PoolClient,
  refused: { saleId: string; epoch?: number }[],
): Promise<DistrustedEpoch[]> {
  if (refused.length === 0) return [];
  const { rows } = await client.query<{ id: string; epoch: string }>(
    'SELECT id, epoch FROM sales WHERE id = ANY ($1::text[])',
    [refused.map(({ saleId }) => saleId)],
  );
  // A forked retake is not stored. When its message comes again, a later epoch has nothing to do with it.
  return rows
    .filter(({ id, epoch }) =>
      refused.some((one) => one.saleId === id && (one.epoch ?? Number(epoch)) === Number(epoch)),
    )
    .map(({ id, epoch }) => ({ saleId: id, epoch: Number(epoch), reason: 'refused' }));
}

function uniqueBy(reserved: Reserved[], key: (one: Reserved) => string): Reserved[] {
  return [...new Map(reserved.map((one) => [key(one), one])).values()];
}

/** The order of a refused retake has expired, as before. What is counted is that Redis contradicts us. */
function toRefusals(refused: Reserved[], forked: Reserved[]): RefusedOrder[] {
  return refused.map((one) => ({
    id: one.reservationId,
    refusal: forked.includes(one) ? 'sequence_fork' : 'ledger',
  }));
}

function selectRefused(orders: Reserved[], refused: RefusedOrder[]): Reserved[] {
  const ids = new Set(refused.map(({ id }) => id));
  return orders.filter(({ reservationId }) => ids.has(reservationId));
}
