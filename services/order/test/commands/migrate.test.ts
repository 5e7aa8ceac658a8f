// Goal: any number of processes may migrate at any time, and history is never rewritten.
// Method: the real migrations, and small ones of our own, on databases of their own.
import { test } from 'tap';
import { migrate } from '../../src/commands/migrate.ts';
import { MigrateError, readMigrations, type Migration } from '../../src/schema/migrations.ts';
import { createDatabase, untilBlocked } from '../support/database.ts';

const makeMigration = (number: number, sql: string): Migration => ({
  number,
  name: `step-${number}`,
  checksum: `checksum of ${sql}`,
  sql,
  breaking: null,
});

await test('several processes that start together apply each migration once', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  const applied = await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)]);
  t.equal(applied.filter((names) => names.length > 0).length, 1, 'one did the work');
  t.same(
    applied.flat(),
    readMigrations().map(({ name }) => name),
  );
  const { rows } = await pool.query('SELECT number FROM migrations');
  t.equal(rows.length, readMigrations().length);
  t.same(await migrate(url), [], 'and a later one finds nothing to do');
});

await test('a migration that was changed after it was applied is refused', async (t) => {
  const { url } = await createDatabase(t, { isMigrated: false });
  await migrate(url, [makeMigration(1, 'CREATE TABLE a ()')]);
  await t.rejects(migrate(url, [makeMigration(1, 'CREATE TABLE b ()')]), MigrateError);
});

await test('a migration that fails leaves nothing behind, and those before it stay', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  const good = makeMigration(1, 'CREATE TABLE a ()');
  const bad = makeMigration(2, 'CREATE TABLE b (); SELECT 1 / 0');
  await t.rejects(migrate(url, [good, bad]), { code: '22012' });
  const { rows } = await pool.query(`SELECT to_regclass('a')::text AS a, to_regclass('b')::text AS b`);
  t.same(rows, [{ a: 'a', b: null }]);
  t.same(
    await migrate(url, [good, makeMigration(2, 'CREATE TABLE b ()')]),
    ['step-2'],
    'mended, it is applied',
  );
});

await test('a folder with a gap in its numbers is refused', async (t) => {
  const folder = t.testdir({ '0001-a.sql': '', '0003-c.sql': '' });
  t.throws(() => readMigrations(folder), MigrateError);
});

await test('no constraint is held against the rows of a table while all wait for it, and each is in the end', async (t) => {
  // The first ten migrations are older than the first release, and lock what they change.
  for (const { name, sql } of readMigrations().slice(10)) {
    for (const [added] of sql.matchAll(/ADD CONSTRAINT[^;]*/g)) t.match(added, /NOT VALID/, name);
  }
  const { pool } = await createDatabase(t);
  const { rows } = await pool.query('SELECT conname FROM pg_constraint WHERE NOT convalidated');
  t.same(rows, []);
});

await test('older sales get the events that are still to come, and none that are past (migration 11)', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  await migrate(url, readMigrations().slice(0, 10));
  const insert = `INSERT INTO sales (id, definition, fingerprint, lanes, state, opens_at, closes_at)
    SELECT name, '{}', 'f', 1, state, now() + opens, now() + closes FROM (VALUES
      ('past', 'open', interval '-2 h', interval '-1 h'), ('running', 'open', '-1 h', '1 h'),
      ('to-come', 'open', '1 h', '2 h'), ('closed', 'closed', '-1 h', '1 h')) AS made (name, state, opens, closes)`;
  await pool.query(insert);
  await migrate(url);
  await pool.query(insert.replaceAll(/\('/g, "('new-"));
  const { rows } = await pool.query<{ id: string; told: string }>(
    `SELECT id, opening_told || ' ' || closing_told AS told FROM sales ORDER BY id`,
  );
  t.same(Object.fromEntries(rows.map(({ id, told }) => [id, told])), {
    past: 'true true',
    running: 'true false',
    'to-come': 'false false',
    closed: 'true true',
    'new-past': 'false false',
    'new-running': 'false false',
    'new-to-come': 'false false',
    'new-closed': 'false false',
  });
});

await test('a table that is being read is waited for, and nobody waits long behind the migration', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  const first = makeMigration(1, 'CREATE TABLE a (x integer)');
  await migrate(url, [first]);
  const reader = await pool.connect();
  await reader.query('SET idle_in_transaction_session_timeout = 0');
  await reader.query('BEGIN; SELECT FROM a');
  const migrating = migrate(url, [first, makeMigration(2, 'ALTER TABLE a ADD COLUMN y integer')]);
  await untilBlocked(pool, 1);
  const startedAt = Date.now();
  await pool.query('INSERT INTO a VALUES (1)');
  t.ok(Date.now() - startedAt < 3_000, 'what stands behind the migration goes on before the reader ends');
  await reader.query('COMMIT');
  reader.release(true);
  t.same(await migrating, ['step-2']);
});
