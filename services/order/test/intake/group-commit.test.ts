// Goal: partitions share transactions, and one partition's fault stays its own.
// Method: a real Postgres; chunks of several partitions at once, while a transaction is under way, good and
// bad. The last test plays Postgres' absence; intake-faults.test.ts kills the real one.
import { test } from 'tap';
import { GroupCommit } from '../../src/intake/group-commit.ts';
import { createIntakeStore, type Chunk } from '../../src/intake/intake-store.ts';
import { OffsetBehindError } from '../../src/intake/offsets/stored-offsets.ts';
import { DataError } from '../../src/ledger/ledger.ts';
import { createDatabase } from '../support/database.ts';
import {
  makeReservation,
  readOffset,
  readOrders,
  readSold,
  storeSale,
  toBatch,
} from '../support/reservations.ts';
import { parseReservation, type Reserved } from '../../src/ledger/reservation-message.ts';

const TOPIC = 'seckill.reservations';

function reserve(saleId: string, count: number, sku = 'orange'): Reserved[] {
  const values = Array.from({ length: count }, () =>
    makeReservation(saleId, { lines: [{ sku, quantity: 1, price: 2_990 }] }),
  );
  return toBatch(values).messages.map((message) => {
    const parsed = parseReservation(message);
    if ('error' in parsed) throw new Error(parsed.error);
    return parsed.reserved;
  });
}

function chunkOf(partition: number, reserved: Reserved[], storedOffset = 0n): Chunk {
  return {
    topic: TOPIC,
    partition,
    storedOffset,
    nextOffset: storedOffset + BigInt(reserved.length),
    reserved,
  };
}

async function setUp(t: Parameters<typeof createDatabase>[0], countMax = 1_000) {
  const { pool } = await createDatabase(t);
  const saleId = await storeSale(pool, { orange: 1_000 });
  const store = createIntakeStore(pool);
  const groups: number[][] = [];
  const commits = new GroupCommit(
    {
      storeChunks: (chunks) => {
        groups.push(chunks.map(({ partition }) => partition));
        return store.storeChunks(chunks);
      },
    },
    countMax,
  );
  return { pool, saleId, commits, groups };
}

await test('chunks that come together, or while a transaction is under way, share one transaction', async (t) => {
  const { pool, saleId, commits, groups } = await setUp(t);
  const first = commits.add(chunkOf(0, reserve(saleId, 3)));
  const rest = [1, 2, 3].map(async (partition) => {
    // One tick later the first transaction is on its way.
    await new Promise((resolve) => setImmediate(resolve));
    return commits.add(chunkOf(partition, reserve(saleId, partition)));
  });
  const stored = await Promise.all([first, ...rest]);
  t.same(groups, [[0], [1, 2, 3]]);
  t.equal(
    stored.reduce((sum, one) => sum + one.stored, 0),
    9,
    'each row is told once',
  );
  t.equal((await readOrders(pool)).length, 9);
  t.equal(await readSold(pool, saleId), 9);
  for (const [partition, offset] of [3, 1, 2, 3].entries()) {
    t.equal(await readOffset(pool, partition), offset, `offset of partition ${partition}`);
  }
});

await test('a transaction is bounded, and has one chunk of a partition', async (t) => {
  const { saleId, commits, groups } = await setUp(t, 5);
  const sizes = [
    [0, 4],
    [1, 1],
    [2, 9],
    [3, 2],
    [4, 3],
    [5, 1],
  ] as const;
  await Promise.all(
    sizes.map(([partition, count]) => commits.add(chunkOf(partition, reserve(saleId, count)))),
  );
  t.same(groups, [[0, 1], [2], [3, 4], [5]]);
  const again = [chunkOf(6, reserve(saleId, 1)), chunkOf(6, reserve(saleId, 1), 1n)];
  await Promise.all(again.map((chunk) => commits.add(chunk)));
  t.same(groups.slice(4), [[6], [6]]);
});

await test('what one partition cannot store does not hold up its neighbours', async (t) => {
  const { pool, saleId, commits } = await setUp(t);
  const [good, behind, foreign, last] = await Promise.allSettled([
    commits.add(chunkOf(0, reserve(saleId, 2))),
    commits.add(chunkOf(1, reserve(saleId, 2), 7n)),
    commits.add(chunkOf(2, reserve(saleId, 2, 'no-such-sku'))),
    commits.add(chunkOf(3, reserve(saleId, 2))),
  ]);
  t.match(good, { status: 'fulfilled', value: { stored: 2 } });
  t.ok(behind.status === 'rejected' && behind.reason instanceof OffsetBehindError);
  t.ok(foreign.status === 'rejected' && foreign.reason instanceof DataError);
  t.match(last, { status: 'fulfilled', value: { stored: 2 } });
  t.equal((await readOrders(pool)).length, 4);
  t.equal(await readSold(pool, saleId), 4);
  t.same(await Promise.all([0, 1, 2, 3].map((partition) => readOffset(pool, partition))), [
    2,
    undefined,
    undefined,
    2,
  ]);
});

await test('when Postgres is away all hear of it, and can come again', async (t) => {
  const { saleId } = await setUp(t);
  let isAway = true;
  const commits = new GroupCommit(
    {
      storeChunks: async (chunks) => {
        if (isAway) throw new Error('Connection terminated unexpectedly');
        const stored = chunks.reduce((sum, { reserved }) => sum + reserved.length, 0);
        return {
          stored,
          duplicates: 0,
          delaySeconds: [],
          refused: [],
          applied: [],
          settledAgain: 0,
          retakes: { paid: 0, returned: 0, refused: [] },
          distrusted: [],
        };
      },
    },
    100,
  );
  const chunks = [chunkOf(0, reserve(saleId, 1)), chunkOf(1, reserve(saleId, 1))];
  const answers = await Promise.allSettled(chunks.map((chunk) => commits.add(chunk)));
  t.same(
    answers.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  isAway = false;
  t.match(await Promise.all(chunks.map((chunk) => commits.add(chunk))), [{ stored: 2 }, { stored: 0 }]);
});
