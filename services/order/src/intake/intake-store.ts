import { invariant, InvariantError, transaction, type Pool, type PoolClient } from '@seckill/runtime';
import { distrustEverySale, distrustEpochs, type DistrustedEpoch } from '../sales/distrusted-epochs.ts';
import { liftEpochs } from '../recovery/epochs.ts';
import {
  admit,
  lockLedger,
  markIncompleteEpochs,
  moveLedger,
  readKeys,
  sumUnits,
  type LedgerRow,
} from '../ledger/ledger.ts';
import { readAllowances } from '../ledger/limits.ts';
import { writeSettlements } from '../relay/outbox.ts';
import { applyKeptNotices, isPaymentRace, shareEarlyNoticeLock } from '../payments/payment-store.ts';
import type { Applied } from '../payments/payment.ts';
import type { Reserved } from '../ledger/reservation-message.ts';
import { settleAgain } from '../ledger/settlement.ts';

export type Refusal = 'ledger' | 'limit' | 'key_clash' | 'sequence_fork';

export interface Chunk {
  topic: string;
  partition: number;
  /** What is stored, as far as the caller knows. */
  storedOffset: bigint;
  /** The first offset behind this chunk. */
  nextOffset: bigint;
  reserved: Reserved[];
}

/** What a transaction did. */
export interface Stored {
  stored: number;
  duplicates: number;
  refused: { id: string; refusal: Refusal }[];
  /** Payments whose notices had come before their orders. */
  applied: Applied[];
  /** Ended orders whose settlement goes out again. */
  settledAgain: number;
  /** Epochs that are not trusted any more, from now on. */
  distrusted: DistrustedEpoch[];
}

/** What the intake needs of Postgres; a simulation brings its own. */
export interface IntakeStore {
  /** The first message of a partition that is not stored; undefined before the first. */
  readOffset(topic: string, partition: number): Promise<bigint | undefined>;
  /** Kafka begins elsewhere. */
  moveOffset(topic: string, partition: number, next: bigint): Promise<void>;
  /** Postgres was restored to an earlier state. @returns the doubts that are new. */
  distrustEverySale(): Promise<DistrustedEpoch[]>;
  /**
   * Rows, ledger, early payments, settlements and offsets, all or nothing. A repeat stores nothing twice.
   * @param chunks of different partitions.
   * @throws OffsetBehindError: nothing was stored, and what lies in between must be read again.
   */
  storeChunks(chunks: Chunk[]): Promise<Stored>;
}

/** Postgres has stored less than it had when it was last asked: it was restored to an earlier state meanwhile. */
export class OffsetBehindError extends Error {
  override readonly name = 'OffsetBehindError';
  readonly code = 'SECKILL_INTAKE_OFFSET_BEHIND';
}

/** Orders of these sales must be judged by their limits, and for that the whole ledger be locked, in its order. */
class UnjudgedSalesError extends Error {
  override readonly name = 'UnjudgedSalesError';
  readonly saleIds: string[];

  constructor(saleIds: string[]) {
    super(`limits of ${saleIds.length} sales were not judged by Redis`);
    this.saleIds = saleIds;
  }
}

/**
 * A payment named for two orders that are stored at the same moment: the next attempt knows where it was spent. Sales
 * that must be judged: the next attempt locks them whole; more come to light between two only if one is rebuilt then.
 */
const RACE_ATTEMPTS_MAX = 5;

export function createIntakeStore(pool: Pool): IntakeStore {
  return {
    async readOffset(topic, partition) {
      const { rows } = await pool.query<{ next_offset: string }>(
        'SELECT next_offset FROM intake_offsets WHERE topic = $1 AND partition = $2',
        [topic, partition],
      );
      return rows[0] && BigInt(rows[0].next_offset);
    },
    async moveOffset(topic, partition, next) {
      await pool.query(
        `INSERT INTO intake_offsets (topic, partition, next_offset) VALUES ($1, $2, $3)
         ON CONFLICT (topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset`,
        [topic, partition, next.toString()],
      );
    },
    distrustEverySale: () => distrustEverySale(pool),
    async storeChunks(chunks) {
      try {
        const lifted = await liftEpochs(
          pool,
          chunks.flatMap(({ reserved }) => reserved),
        );
        const stored = await commitChunks(pool, chunks);
        return { ...stored, distrusted: [...lifted, ...stored.distrusted] };
      } catch (error) {
        // Under the rows' locks our own sums must fit; when the constraint speaks, they are wrong, not the data.
        if (
          error instanceof Error &&
          'constraint' in error &&
          error.constraint === 'ledger_sold_within_total'
        ) {
          throw new InvariantError('the intake moved the ledger past its total', { cause: error });
        }
        throw error;
      }
    },
  };
}

async function commitChunks(pool: Pool, chunks: Chunk[]): Promise<Stored> {
  const wholeSales = new Set<string>();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction(pool, (client) => storeChunks(client, chunks, wholeSales));
    } catch (error) {
      if (error instanceof UnjudgedSalesError) for (const saleId of error.saleIds) wholeSales.add(saleId);
      else if (!isPaymentRace(error)) throw error;
      invariant(attempt < RACE_ATTEMPTS_MAX, 'early payments or late orders of one transaction keep racing');
    }
  }
}

/** Orders by id, then ledger by (sale, sku), then doubts, then the offsets: the one order of locks (recovery.md, "Intake"). */
async function storeChunks(client: PoolClient, chunks: Chunk[], wholeSales: Set<string>): Promise<Stored> {
  await shareEarlyNoticeLock(client);
  await assertStored(client, chunks);
  const reserved = chunks.flatMap((chunk) => chunk.reserved);
  const unique = [...new Map(reserved.map((one) => [one.reservationId, one])).values()];
  const insertedIds = await insertOrders(client, unique);
  const inserted = unique.filter(({ reservationId }) => insertedIds.has(reservationId));
  const rest = unique.filter(({ reservationId }) => !insertedIds.has(reservationId));
  const clashes = await storeClashes(client, rest);
  const { unsold, late } = await sell(client, inserted, wholeSales);
  const refused = [...clashes, ...unsold];
  await settleRefused(client, unique, refused);
  // A duplicate that stock published again is a hold nobody ended. Ignoring it because the row is known would keep its
  // units for ever when it was the settlement that got lost; so that is what is sent again.
  const known = rest.filter(({ reservationId }) => clashes.every(({ id }) => id !== reservationId));
  const settledAgain = await settleAgain(client, idsOf(known.filter(({ isRepublished }) => isRepublished)));
  // Expiry sees the orders only after this transaction, so a payment that was here first wins.
  const newIds = [...insertedIds, ...clashes.map(({ id }) => id)];
  const applied = await applyKeptNotices(client, newIds);
  const distrusted = await distrustEpochs(client, [
    ...late,
    ...(await findRefusedEpochs(client, unique, refused)),
  ]);
  await writeOffsets(client, chunks);
  return {
    stored: inserted.length - unsold.length,
    duplicates: reserved.length - inserted.length - clashes.length,
    refused,
    applied,
    settledAgain,
    distrusted,
  };
}

/**
 * Back only from where the caller knows it to stand (a topic made anew). A consumer that slept while its partition went
 * to another stores a chunk from before; the other would take the lower offset for a Postgres that was restored, and
 * every sale would be loaded anew.
 */
async function writeOffsets(client: PoolClient, chunks: Chunk[]): Promise<void> {
  await client.query(
    `WITH chunk AS (
       SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
         AS chunk (topic, partition, stored_offset, next_offset)
     ), moved AS (
       UPDATE intake_offsets SET next_offset = chunk.next_offset FROM chunk
       WHERE intake_offsets.topic = chunk.topic AND intake_offsets.partition = chunk.partition
         AND (intake_offsets.next_offset = chunk.stored_offset OR intake_offsets.next_offset < chunk.next_offset)
     )
     INSERT INTO intake_offsets (topic, partition, next_offset) SELECT topic, partition, next_offset FROM chunk
     ON CONFLICT (topic, partition) DO NOTHING`,
    [...placesOf(chunks), chunks.map(({ nextOffset }) => nextOffset.toString())],
  );
}

/** INV-2: else a Postgres restored under our feet would take these chunks and never hear of what it has forgotten. */
async function assertStored(client: PoolClient, chunks: Chunk[]): Promise<void> {
  const { rows } = await client.query<{ partition: number; next_offset: string; stored_offset: string }>(
    `SELECT chunk.partition, coalesce(next_offset, 0) AS next_offset, stored_offset
     FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS chunk (topic, partition, stored_offset)
     LEFT JOIN intake_offsets USING (topic, partition)
     WHERE coalesce(next_offset, 0) < stored_offset`,
    placesOf(chunks),
  );
  const [behind] = rows;
  if (behind === undefined) return;
  const { partition, next_offset, stored_offset } = behind;
  throw new OffsetBehindError(`partition ${partition} is stored up to ${next_offset}, not ${stored_offset}`);
}

function placesOf(chunks: Chunk[]): [string[], number[], string[]] {
  return [
    chunks.map(({ topic }) => topic),
    chunks.map(({ partition }) => partition),
    chunks.map(({ storedOffset }) => storedOffset.toString()),
  ];
}

const idsOf = (orders: Reserved[]) => orders.map(({ reservationId }) => reservationId);

/** Redis holds units for them that do not exist: the hold goes, and gives nothing back. */
async function settleRefused(
  client: PoolClient,
  orders: Reserved[],
  refused: Stored['refused'],
): Promise<void> {
  if (refused.length === 0) return;
  const ids = new Set(refused.map(({ id }) => id));
  const ended = orders
    .filter(({ reservationId }) => ids.has(reservationId))
    .map(({ reservationId, saleId, lane, lines }) => ({ id: reservationId, saleId, lane, lines }));
  await writeSettlements(client, ended, 'refused');
}

/** @returns the ids that were not known before; only they may count (decision 3). */
async function insertOrders(client: PoolClient, orders: Reserved[], refusal?: Refusal): Promise<Set<string>> {
  if (orders.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO orders (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
       currency, channel_id, ref, reserved_at, expires_at, status, refusal, ended_at)
     SELECT id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines::jsonb, amount,
       currency, channel_id, ref, to_timestamp(reserved_ms / 1000.0), to_timestamp(expires_ms / 1000.0),
       CASE WHEN $16::text IS NULL THEN 'pending' ELSE 'refused' END, $16,
       CASE WHEN $16 IS NULL THEN NULL ELSE now() END
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
       $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[])
       AS message (id, sale_id, lane, epoch, sequence, user_id, idempotency_key, fingerprint, lines, amount,
         currency, channel_id, ref, reserved_ms, expires_ms)
     ORDER BY id COLLATE "C"
     ON CONFLICT DO NOTHING
     RETURNING id`,
    [
      orders.map(({ reservationId }) => reservationId),
      orders.map(({ saleId }) => saleId),
      orders.map(({ lane }) => lane),
      orders.map(({ epoch }) => epoch),
      orders.map(({ sequence }) => sequence),
      orders.map(({ userId }) => userId),
      orders.map(({ idempotencyKey }) => idempotencyKey),
      orders.map(({ fingerprint }) => fingerprint),
      orders.map(({ lines }) => JSON.stringify(lines)),
      orders.map(({ amount }) => amount),
      orders.map(({ currency }) => currency),
      orders.map(({ channelId }) => channelId ?? null),
      orders.map(({ ref }) => ref ?? null),
      orders.map(({ reservedAt }) => reservedAt),
      orders.map(({ expiresAt }) => expiresAt),
      refusal ?? null,
    ],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * What was not inserted is a known id, and then nothing is to be done, or another reservation in the place of a known
 * one: then it is kept as refused, for the buyer was told "reserved" and a person has to look.
 */
async function storeClashes(client: PoolClient, rest: Reserved[]): Promise<Stored['refused']> {
  if (rest.length === 0) return [];
  const { rows } = await client.query<{ id: string; is_known: boolean; is_fork: boolean; is_clash: boolean }>(
    `SELECT message.id,
       EXISTS (SELECT FROM orders WHERE orders.id = message.id) AS is_known,
       EXISTS (SELECT FROM orders WHERE orders.sale_id = message.sale_id AND orders.lane = message.lane
         AND orders.epoch = message.epoch AND orders.sequence = message.sequence
         AND orders.status <> 'refused') AS is_fork,
       EXISTS (SELECT FROM orders WHERE orders.sale_id = message.sale_id AND orders.user_id = message.user_id
         AND orders.idempotency_key = message.idempotency_key AND orders.status <> 'refused') AS is_clash
     FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
       AS message (id, sale_id, lane, epoch, sequence, user_id, idempotency_key)`,
    [
      rest.map(({ reservationId }) => reservationId),
      rest.map(({ saleId }) => saleId),
      rest.map(({ lane }) => lane),
      rest.map(({ epoch }) => epoch),
      rest.map(({ sequence }) => sequence),
      rest.map(({ userId }) => userId),
      rest.map(({ idempotencyKey }) => idempotencyKey),
    ],
  );
  const refusals = new Map<string, Refusal>();
  for (const { id, is_known, is_fork, is_clash } of rows) {
    if (is_known) continue;
    invariant(is_fork || is_clash, `order ${id} was neither stored nor known nor in conflict`);
    // A fork says more: all of Redis' history after this sequence is in doubt.
    refusals.set(id, is_fork ? 'sequence_fork' : 'key_clash');
  }
  const stored: Stored['refused'] = [];
  for (const refusal of ['key_clash', 'sequence_fork'] as const) {
    const orders = rest.filter(({ reservationId }) => refusals.get(reservationId) === refusal);
    for (const id of await insertOrders(client, orders, refusal)) stored.push({ id, refusal });
  }
  return stored;
}

/**
 * Moves the ledger by what was really inserted (INV-1, decision 4).
 * @param wholeSales those whose ledger is locked whole.
 * @returns the orders that the ledger has no units for, or that exceed a limit Redis has not judged: they are refused;
 * and doubts about sales whose last snapshot lacks an order, which came late from an older epoch.
 * @throws UnjudgedSalesError when the ledger of another sale must be locked whole.
 */
async function sell(
  client: PoolClient,
  inserted: Reserved[],
  wholeSales: Set<string>,
): Promise<{ unsold: Stored['refused']; late: DistrustedEpoch[] }> {
  if (inserted.length === 0) return { unsold: [], late: [] };
  const keys = sumUnits(inserted).filter(({ saleId }) => !wholeSales.has(saleId));
  const wholeKeys = wholeSales.size === 0 ? [] : await readKeys(client, [...wholeSales]);
  const rows = await lockLedger(client, [...keys, ...wholeKeys]);
  const late = findLate(inserted, rows);
  const unjudged = findUnjudged(inserted, rows, late);
  const unlocked = unjudged.map(({ saleId }) => saleId).filter((saleId) => !wholeSales.has(saleId));
  if (unlocked.length > 0) throw new UnjudgedSalesError([...new Set(unlocked)]);
  await markIncompleteEpochs(
    client,
    late.map(({ saleId }) => saleId),
  );
  const { moves, refused } = admit(inserted, rows, await readAllowances(client, unjudged));
  await refuse(client, refused);
  await moveLedger(client, moves);
  return { unsold: refused, late };
}

/**
 * INV-6: Redis lacks an order that comes late, and so let its buyer and channel take the units anew. Whichever of the
 * two comes second must find the other here: not only the late ones are judged, but all of an epoch that lacks one.
 */
function findUnjudged(inserted: Reserved[], rows: LedgerRow[], late: DistrustedEpoch[]): Reserved[] {
  const incomplete = rows.filter(({ isEpochIncomplete }) => isEpochIncomplete);
  const saleIds = new Set([...incomplete, ...late].map(({ saleId }) => saleId));
  return inserted.filter(({ saleId }) => saleIds.has(saleId));
}

async function refuse(client: PoolClient, refused: Stored['refused']): Promise<void> {
  if (refused.length === 0) return;
  await client.query(
    `UPDATE orders SET status = 'refused', refusal = refused.refusal, ended_at = now()
     FROM unnest($1::text[], $2::text[]) AS refused (id, refusal) WHERE orders.id = refused.id`,
    [refused.map(({ id }) => id), refused.map(({ refusal }) => refusal)],
  );
}

function findLate(inserted: Reserved[], rows: LedgerRow[]): DistrustedEpoch[] {
  const epochs = new Map(rows.map(({ saleId, epoch }) => [saleId, epoch]));
  const lateSales = new Set(
    inserted.filter(({ saleId, epoch }) => epoch < (epochs.get(saleId) ?? 0)).map(({ saleId }) => saleId),
  );
  return [...lateSales].map((saleId) => ({ saleId, epoch: epochs.get(saleId) ?? 0, reason: 'late_row' }));
}

/** Redis sold what does not exist, so nothing it holds under this epoch can be trusted (recovery.md, "Refused"). */
async function findRefusedEpochs(
  client: PoolClient,
  orders: Reserved[],
  refused: Stored['refused'],
): Promise<DistrustedEpoch[]> {
  if (refused.length === 0) return [];
  const ids = new Set(refused.map(({ id }) => id));
  const saleIds = orders.filter(({ reservationId }) => ids.has(reservationId)).map(({ saleId }) => saleId);
  const { rows } = await client.query<{ id: string; epoch: string }>(
    'SELECT id, epoch FROM sales WHERE id = ANY ($1::text[])',
    [saleIds],
  );
  return rows.map(({ id, epoch }) => ({ saleId: id, epoch: Number(epoch), reason: 'refused' }));
}
