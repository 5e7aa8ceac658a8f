// Goal: a release does not run on a database that a newer one has changed in a way it cannot live with, nor
// on one that still lacks its migrations, and says so in a sentence (D99).
// Method: databases of a real Postgres with migrations of a release to come; the built programs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createPool } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import { test } from 'tap';
import { migrate } from '../../src/commands/migrate.ts';
import { findMisfit } from '../../src/schema/misfit.ts';
import { readMigrations } from '../../src/schema/migrations.ts';
import { checkSchema, type SchemaCheckDeps } from '../../src/schema/schema-check.ts';
import { createDatabase } from '../support/database.ts';
import { TOKENS } from '../support/stock.ts';

const known = readMigrations();
const NEXT = known.length + 1;
const REASON = 'orders are kept elsewhere';
const addsOnly = 'INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)';
const breaks = 'INSERT INTO migrations (number, name, checksum, breaking) VALUES ($1, $2, $3, $4)';

const asks = (pool: SchemaCheckDeps['pool']): SchemaCheckDeps => ({
  pool,
  known,
  logger: silent,
  onMisfit: (error) => {
    throw error;
  },
  signal: new AbortController().signal,
});

/** @returns what the program wrote to its standard error, and its exit code. */
async function start(file: string, databaseUrl: string): Promise<{ code: unknown; stderr: string }> {
  const program = fileURLToPath(new URL(`../../dist/${file}`, import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      STOCK_URL: 'http://127.0.0.1:9',
      KAFKA_BROKERS: '127.0.0.1:9',
      ORDER_TOKEN: TOKENS.order,
      GATEWAY_TOKEN: TOKENS.gateway,
      STOCK_TOKEN: TOKENS.stock,
      PORT: '0',
      METRICS_PORT: '0',
      ROLES: 'http',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = (await once(child, 'close')) as unknown[];
  clearTimeout(timer);
  return { code, stderr };
}

await test('a migration to come that only adds stops nobody', async (t) => {
  const { url, pool } = await createDatabase(t);
  await pool.query(addsOnly, [NEXT, 'adds', 'c']);
  t.equal(await findMisfit(pool, known), undefined);
  t.same(await migrate(url), []);
});

await test('one that breaks is refused at the start, in one sentence without a stack', async (t) => {
  const { url, pool } = await createDatabase(t);
  await pool.query(addsOnly, [NEXT, 'adds', 'c']);
  await pool.query(breaks, [NEXT + 1, 'moves-orders', 'c', REASON]);
  await pool.query(addsOnly, [NEXT + 2, 'adds-more', 'c']);
  const sentence =
    `this release knows migrations up to ${known.length} and cannot run on a database with migration ` +
    `${NEXT + 1} (moves-orders): ${REASON}; start a release that knows it\n`;
  t.same(await start('main.js', url), { code: 1, stderr: sentence });
  t.same(await start('commands/migrate.js', url), { code: 1, stderr: sentence });
});

await test('a migration says that it breaks by a line of its file, and the database keeps it', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  const folder = t.testdir({
    '0001-a.sql': 'CREATE TABLE a ();',
    '0002-b.sql': `-- Moves a.\n-- Breaking: ${REASON}\nDROP TABLE a;`,
  });
  const migrations = readMigrations(folder);
  await migrate(url, migrations);
  t.equal(await findMisfit(pool, migrations), undefined, 'who knows it can live with it');
  t.match(await findMisfit(pool, migrations.slice(0, 1)), { isNewer: true, sentence: REASON });
});

await test('a release waits for its migrations, and gives up with a sentence', async (t) => {
  const { url, pool } = await createDatabase(t, { isMigrated: false });
  let polls = 0;
  let now = 0;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      polls += 1;
      now += ms;
      if (polls === 2) await migrate(url, known.slice(0, 4));
    },
  };
  const check = () => checkSchema({ ...asks(pool), clock });
  await t.rejects(check(), {
    message: `this release wants migrations up to ${known.length}, and the database has those up to 4: run npm run migrate first`,
  });
  await migrate(url);
  await t.resolves(check());
});

await test('a database of the first releases, whose list tells nothing of breaking, is read as well', async (t) => {
  const { pool } = await createDatabase(t);
  await pool.query('ALTER TABLE migrations DROP COLUMN breaking');
  t.equal(await findMisfit(pool, known), undefined);
});

await test('a Postgres that is away stops no start', async (t) => {
  const pool = createPool('postgres://nobody@127.0.0.1:9/none', silent, { max: 1 });
  t.teardown(() => pool.end());
  const abort = new AbortController();
  await t.resolves(checkSchema({ ...asks(pool), signal: abort.signal }));
  abort.abort();
});

await test('a Postgres that answers late is believed all the same', async (t) => {
  const { pool } = await createDatabase(t);
  await pool.query(breaks, [NEXT, 'moves-orders', 'c', REASON]);
  let isAway = true;
  const query = (text: string): unknown =>
    isAway ? Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' })) : pool.query(text);
  const refused = new Promise<Error>((resolve) => {
    const late = { query } as unknown as typeof pool;
    void checkSchema({ ...asks(late), onMisfit: resolve }).then(() => {
      isAway = false;
    });
  });
  t.match(await refused, { name: 'SchemaError', message: REASON });
});

await test('whoever may not read the list starts, and says so', async (t) => {
  const { url, pool } = await createDatabase(t);
  await pool.query(breaks, [NEXT, 'moves-orders', 'c', REASON]);
  const role = `blind_${String(process.pid)}`;
  await pool.query(`CREATE ROLE ${role}`);
  t.teardown(() => pool.query(`DROP ROLE ${role}`));
  const blind = createPool(url, silent, { max: 1 });
  t.teardown(() => blind.end());
  await blind.query(`SET ROLE ${role}`);
  const lines: unknown[] = [];
  const logger = {
    ...silent,
    error: (_fields: unknown, line: string) => lines.push(line),
    warn: () => undefined,
  };
  await t.resolves(checkSchema({ ...asks(blind), logger: logger as unknown as typeof silent }));
  t.same(lines, ['whether the database fits this release is not known']);
});
