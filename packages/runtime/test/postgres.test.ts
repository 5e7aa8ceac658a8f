// Goal: a process that was frozen in the middle of a transaction keeps rows from nobody for long: found by
// the fire test, in which one of two order processes was frozen, and no order of the sale was stored or
// ended for ten seconds.
// Method: a transaction on the real PostgreSQL locks a row and then does nothing, as a frozen process does;
// another wants the row.
import { randomBytes } from 'node:crypto';
import { forwardTcp, silent, untilWithin } from '@seckill/testing';
import t from 'tap';
import { classifyPostgresError, createPool, transaction } from '../src/postgres.ts';

const url = process.env['DATABASE_URL'];
if (url === undefined) throw new Error('DATABASE_URL names no PostgreSQL; run through npm test');
/** 3 s, and what a busy machine takes; it was 10 s. */
const WAIT_MS_MAX = 4_800;

await t.test('a row that a frozen transaction holds can be had after 3 s', async (t) => {
  const [frozen, other] = [createPool(url, silent, { max: 1 }), createPool(url, silent, { max: 1 })];
  const table = `frozen_${randomBytes(6).toString('hex')}`;
  await other.query(`CREATE TABLE ${table} AS SELECT 1 AS units`);
  t.teardown(async () => {
    await other.query(`DROP TABLE ${table}`);
    await Promise.all([frozen.end(), other.end()]);
  });
  const client = await frozen.connect();
  await client.query('BEGIN');
  await client.query(`UPDATE ${table} SET units = 2`);

  const since = performance.now();
  await transaction(other, (second) => second.query(`UPDATE ${table} SET units = units + 10`));
  const waited = performance.now() - since;
  t.ok(waited < WAIT_MS_MAX, `${waited.toFixed(0)} ms`);
  t.ok(waited > 2_500, 'a process that is merely slow is given some time');

  const error: unknown = await client.query('COMMIT').then(
    () => undefined,
    (reason: unknown) => reason,
  );
  client.release(true);
  t.equal(classifyPostgresError(error), 'transient', 'whoever wakes is told, and repeats');
  const { rows } = await other.query<{ units: number }>(`SELECT units FROM ${table}`);
  t.same(rows, [{ units: 11 }], 'and has changed nothing');
});

await t.test('a connection that takes longer than its caller waits is there for the next one', async (t) => {
  const forwarder = await forwardTcp(t, url);
  const pool = createPool(forwarder.url, silent, { max: 1 });
  t.teardown(() => pool.end());
  // There and back is longer than anybody waits.
  forwarder.delay(700);
  const began = performance.now();
  await t.rejects(pool.query('SELECT 1'), { message: /timeout exceeded/ });
  t.ok(performance.now() - began < 1_300, 'the caller waits for a second');
  await untilWithin(4_000)('it is connected', async () => {
    forwarder.delay(0);
    return pool.idleCount === 1;
  });
  t.match(await pool.query('SELECT 1 AS one'), { rows: [{ one: 1 }] });
  t.equal(forwarder.accepted, 1, 'one connection was enough');
});
