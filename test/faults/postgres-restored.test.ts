// Goal: a Postgres restored to an earlier state hears everything again from Kafka by its own offsets, and
// what Redis sold meanwhile is neither lost (INV-2) nor sold twice (INV-1). Method: under a rush of buyers
// its files are copied, and the copy is put in its place a while later, once with order stopped for it, once
// under its feet.
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import t, { type Test } from 'tap';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { judgeRush, startRush, untilMore, untilStored } from '../support/aftermath.ts';
import { buildStack } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);
const random = seededRandom(SEED);

t.setTimeout(300_000);
t.comment(`seed ${SEED}`);
const client = await buildStack(t, 'postgres-restored');
const { stack } = client;
const engines = new EngineReader(stack.info);
t.teardown(() => engines.close());
const { postgres } = stack.info;
const data = await dataFolder();
const backup = `${data}-backup`;

async function dataFolder(): Promise<string> {
  const admin = new pg.Client({ connectionString: postgres });
  await admin.connect();
  const { rows } = await admin.query<{ data_directory: string }>('SHOW data_directory');
  await admin.end();
  return rows[0]?.data_directory ?? '';
}

/**
 * Copies Postgres' files. Postgres is killed for it, and both copies recover from their own log afterwards.
 */
async function copyData(from: string, to: string): Promise<void> {
  await stack.engines.kill('postgres');
  await rm(to, { recursive: true, force: true });
  // `cp` keeps owner and modes, which Postgres needs and Node's own copy loses.
  await promisify(execFile)('cp', ['-a', from, to]);
  await stack.engines.restart('postgres');
}

async function restore(t: Test, saleId: string, isStopped: boolean): Promise<void> {
  // Ends of orders that the backup does not know are forgotten. docs/operating/backup.md tells what becomes
  // of money.
  const rush = await startRush({ client, engines, saleId, random, isIdle: true });
  await copyData(data, backup);
  await untilMore(rush, 60);
  await untilStored(engines, saleId);
  if (isStopped) await stack.kill('order');
  await copyData(backup, data);
  if (isStopped) await stack.restart('order');
  await untilMore(rush, 20);
  await judgeRush(t, { client, engines, rush });
}

await t.test('Postgres is restored to an earlier state while order is stopped', (t) =>
  restore(t, 'restored', true),
);

await t.test('Postgres is restored to an earlier state while order runs', (t) =>
  restore(t, 'restored-live', false),
);
