import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { backoffMs, classifyPostgresError, print, runCommand, systemClock } from '@seckill/runtime';
import pg from 'pg';
import { readMigrateConfig } from '../config.ts';
import { MigrateError, readMigrations, type Migration } from '../schema/migrations.ts';
import { findMisfit } from '../schema/misfit.ts';

// Any number, the same in every process that migrates.
const LOCK_KEY = 5_471_337;
/** One migration, or the wait for another process that migrates. */
const STATEMENT_MS = 60_000;
const CONNECT_WAIT_MS = 30_000;
/**
 * Whatever asks for a table waits behind a migration that waits for it, so a migration does not wait long,
 * and comes again. A report or a dump has the table for a while.
 */
const LOCK_MS = 1_000;
const LOCK_PAUSE_MS = 1_500;
const LOCK_ATTEMPTS_MAX = 20;
/** lock_not_available */
const LOCKED = '55P03';

/**
 * Brings the database to the newest schema, each migration in a transaction of its own. Several processes may
 * start together: one migrates, and the others wait and then find nothing to do.
 * @returns names of what was applied.
 * @throws MigrateError when an applied migration was changed since, or a newer release applied one that this
 * release cannot live with; Postgres' own error when SQL fails.
 */
export async function migrate(url: string, migrations = readMigrations()): Promise<string[]> {
  const client = await connect(url);
  try {
    // The session holds the lock, so the lock also ends with a process that is killed.
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    await client.query(`CREATE TABLE IF NOT EXISTS migrations (
      number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(), breaking text)`);
    const misfit = await findMisfit(client, migrations);
    if (misfit?.isNewer === true) throw new MigrateError(misfit.sentence);
    const { rows } = await client.query<{ number: number; checksum: string }>(
      'SELECT number, checksum FROM migrations',
    );
    const known = new Map(rows.map(({ number, checksum }) => [number, checksum]));
    const applied: string[] = [];
    for (const migration of migrations) {
      const checksum = known.get(migration.number);
      if (checksum === undefined) {
        await apply(client, migration);
        applied.push(migration.name);
      } else if (checksum !== migration.checksum) {
        throw new MigrateError(
          `migration ${migration.number} (${migration.name}) was changed after it was applied`,
        );
      }
    }
    return applied;
  } finally {
    await client.end();
  }
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await applyOnce(client, migration);
      return;
    } catch (error) {
      const isLocked = error instanceof Error && 'code' in error && error.code === LOCKED;
      if (!isLocked || attempt === LOCK_ATTEMPTS_MAX) throw error;
      await systemClock.sleep(LOCK_PAUSE_MS);
    }
  }
}

async function applyOnce(client: pg.Client, migration: Migration): Promise<void> {
  const { number, name, checksum, sql, breaking } = migration;
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
    await client.query(sql);
    const row = [number, name, checksum];
    await client.query('INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)', row);
    // The first 25 may meet a table of before, which has no such column, and none of them breaks.
    if (breaking !== null) {
      await client.query('UPDATE migrations SET breaking = $2 WHERE number = $1', [number, breaking]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** Waits for a Postgres that is still starting, as it does when everything is started at once. */
async function connect(url: string): Promise<pg.Client> {
  const deadline = systemClock.now() + CONNECT_WAIT_MS;
  for (let attempt = 0; ; attempt += 1) {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 2_000,
      statement_timeout: STATEMENT_MS,
      lock_timeout: STATEMENT_MS,
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (classifyPostgresError(error) !== 'transient' || systemClock.now() > deadline) throw error;
      await systemClock.sleep(backoffMs(attempt, { baseMs: 100, capMs: 1_000 }));
    }
  }
}

const HELP = `Usage: npm run migrate -- [--help]
Applies services/order/migrations/*.sql in order to the database of DATABASE_URL (or DATABASE_URL_FILE).
Repeating it changes nothing; several at once wait for each other.
Exit code: 0 done, 1 failed, 2 wrong usage.`;

async function main(): Promise<undefined> {
  const applied = await migrate(readMigrateConfig().databaseUrl);
  print(applied.length === 0 ? 'nothing to migrate' : `migrated: ${applied.join(', ')}`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runCommand({ help: HELP, options: {} }, main);
}
