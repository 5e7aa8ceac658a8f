import { randomBytes } from 'node:crypto';
import { createPool, type Pool } from '@seckill/runtime';
import pg from 'pg';
import type { Test } from 'tap';
import { migrate } from '../../src/commands/migrate.ts';
import { silent } from '@seckill/testing';
import { until } from './build.ts';

export interface TestDatabase {
  url: string;
  pool: Pool;
}

/** All tests of a run copy this database. The process that makes the database holds its lock. */
const TEMPLATE = 'order_test_template';
const TEMPLATE_LOCK = 4_117_203;
/**
 * Tests send more at once than a service lets in. On a busy machine the last of them wait for a connection
 * longer than a service lets a caller wait, and a test judges rows, not that wait.
 */
const WAIT_MS = 30_000;

/**
 * A database of its own on the real Postgres of DATABASE_URL. The database is a copy of one that was migrated
 * once: a copy takes 90 ms, and the migrations 370. Nothing drops it: the engines of a test run are thrown
 * away with their data, and DROP DATABASE waits for a checkpoint, 0.7 s on a busy machine.
 */
export async function createDatabase(
  t: Test,
  options: { isMigrated?: boolean; connections?: number } = {},
): Promise<TestDatabase> {
  const adminUrl = process.env['DATABASE_URL'];
  if (adminUrl === undefined) throw new Error('DATABASE_URL names no Postgres; run through npm test');
  const name = `order_test_${randomBytes(6).toString('hex')}`;
  if (options.isMigrated === false) await runOn(adminUrl, `CREATE DATABASE ${name}`);
  else await copyTemplate(adminUrl, name);
  const url = urlOf(adminUrl, name);
  const pool = createPool(url, silent, { max: options.connections ?? 10, waitMs: WAIT_MS });
  t.teardown(() => pool.end());
  return { url, pool };
}

async function copyTemplate(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE]);
    if (rowCount === 0) {
      // A run that died in the middle leaves a database of another name.
      const unfinished = `${TEMPLATE}_${randomBytes(6).toString('hex')}`;
      await client.query(`CREATE DATABASE ${unfinished}`);
      await migrate(urlOf(adminUrl, unfinished));
      await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${TEMPLATE}`);
    }
    await client.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  } finally {
    await client.end();
  }
}

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Waits until so many sessions of this database wait for a lock. */
export async function untilBlocked(pool: Pool, count = 1): Promise<void> {
  await until(`${count} that wait for a lock`, async () => {
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::int FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.count === count;
  });
}

async function runOn(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}
