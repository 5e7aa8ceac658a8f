import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** As many as wait for the row without adding anything: two already keep it taken. */
const CONNECTIONS = 4;

/**
 * What cannot be divided: transactions a second that write one row of the ledger, one after the other, each
 * durable before the next. The row is in a copy of the table, because no order stands behind what is sold
 * here.
 */
export async function measureLedgerRow(postgresUrl: string, windowMs: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: postgresUrl, max: CONNECTIONS });
  try {
    await pool.query('CREATE TABLE ledger_alone (LIKE ledger INCLUDING ALL)');
    await pool.query(`INSERT INTO ledger_alone SELECT * FROM ledger LIMIT 1`);
    let isEnded = false;
    let count = 0;
    const startedAt = performance.now();
    const writers = Array.from({ length: CONNECTIONS }, async () => {
      while (!isEnded) {
        await pool.query('UPDATE ledger_alone SET sold = sold + 1');
        count += 1;
      }
    });
    const all = Promise.all(writers);
    // Before its end only a failure ends it.
    await Promise.race([sleep(windowMs), all]);
    isEnded = true;
    await all;
    return (1_000 * count) / (performance.now() - startedAt);
  } finally {
    await pool.query('DROP TABLE IF EXISTS ledger_alone');
    await pool.end();
  }
}
