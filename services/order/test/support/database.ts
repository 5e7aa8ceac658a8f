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

/** A database of its own on the real Postgres of DATABASE_URL, dropped at the end of the test. */
export async function createDatabase(
  t: Test,
  options: { isMigrated?: boolean; connections?: number } = {},
): Promise<TestDatabase> {
  const adminUrl = process.env['DATABASE_URL'];
  if (adminUrl === undefined) throw new Error('DATABASE_URL names no Postgres; run through npm test');
  const name = `order_test_${randomBytes(6).toString('hex')}`;
  await runOn(adminUrl, `CREATE DATABASE ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const pool = createPool(url.href, silent, { max: options.connections ?? 10 });
  t.teardown(async () => {
    await pool.end();
    await runOn(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  if (options.isMigrated !== false) await migrate(url.href);
  return { url: url.href, pool };
}

/** So many sessions of this database wait for a lock. */
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
