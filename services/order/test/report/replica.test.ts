// Goal: where a replica is configured, reports come from it and take nothing from the primary.
// Method: a real PostgreSQL and a real standby of it, which replays when the test lets it.
import { execFile } from 'node:child_process';
import { readlinkSync, statSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { SaleReport } from '@seckill/contracts';
import { createPool } from '@seckill/runtime';
import { freePorts, startChild, startEngines, type Engines } from '@seckill/stack';
import { silent } from '@seckill/testing';
import pg from 'pg';
import t, { type Test } from 'tap';
import { migrate } from '../../src/commands/migrate.ts';
import { buildEnds, until } from '../support/build.ts';
import { makeNotice, storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

async function ask<Row extends object>(url: string, sql: string): Promise<Row | undefined> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows[0];
  } finally {
    await client.end();
  }
}

/** Copies the files of a stopped PostgreSQL, and starts the copy as its standby. */
async function startStandby(t: Test, engines: Engines): Promise<{ url: string; stop: () => Promise<void> }> {
  const { data_directory: data = '' } =
    (await ask<{ data_directory: string }>(engines.postgres, 'SHOW data_directory')) ?? {};
  const program = readlinkSync(`/proc/${engines.pids['postgres']}/exe`);
  const { uid, gid } = statSync(data);
  const copy = `${data}-standby`;
  await engines.kill('postgres');
  // Owner and modes matter to Postgres, which Node's own copy does not keep.
  await promisify(execFile)('cp', ['-a', data, copy]);
  await engines.restart('postgres');
  await promisify(execFile)('rm', ['-f', `${copy}/postmaster.pid`]);
  writeFileSync(`${copy}/standby.signal`, '');
  const { hostname, port, username, password } = new URL(engines.postgres);
  const [own] = await freePorts(1);
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${own}`,
    'unix_socket_directories=',
    'max_connections=200',
    `primary_conninfo=host=${hostname} port=${port} user=${username} password=${password}`,
  ];
  const standby = await startChild({
    name: 'standby',
    command: program,
    args: ['-D', copy, ...settings.flatMap((setting) => ['-c', setting])],
    env: {},
    cwd: data,
    output: { file: `${copy}.log` },
    stopSignal: 'SIGINT',
    uid,
    gid,
  });
  t.teardown(() => standby.stop());
  const url = new URL(engines.postgres);
  url.port = String(own);
  await until('the standby answers', async () => {
    const row = await ask<{ is: boolean }>(url.href, 'SELECT pg_is_in_recovery() AS is').catch(
      () => undefined,
    );
    return row?.is === true;
  });
  return { url: url.href, stop: () => standby.stop() };
}

await t.test('reports are read from the replica', async (t) => {
  // Engines that the test run shares are not ours to stop. Other files of this process need them.
  const { DATABASE_URL: shared } = process.env;
  Reflect.deleteProperty(process.env, 'DATABASE_URL');
  const starting = startEngines({ name: 'replica', anyName: true, only: ['postgres'] });
  const engines = await starting.finally(() => {
    if (shared !== undefined) process.env['DATABASE_URL'] = shared;
  });
  t.teardown(() => engines.stop());
  if (engines.pids['postgres'] === undefined || process.platform !== 'linux') {
    t.pass('skipped: only a PostgreSQL that runs as a program of this machine can be copied here');
    return;
  }
  await migrate(engines.postgres);
  const standby = await startStandby(t, engines);
  const pool = createPool(engines.postgres, silent, { max: 5 });
  const reportPool = createPool(standby.url, silent, { max: 2 });
  t.teardown(() => Promise.all([pool.end(), reportPool.end()]));
  const { call } = await createService(t, pool, (await createStock(t)).url, { reportPool });
  const untilReplayed = async () => {
    const { lsn } =
      (await ask<{ lsn: string }>(engines.postgres, 'SELECT pg_current_wal_lsn() AS lsn')) ?? {};
    await until('the standby has it', async () => {
      const sql = `SELECT pg_last_wal_replay_lsn() >= '${lsn}' AS is`;
      return (await ask<{ is: boolean }>(standby.url, sql))?.is === true;
    });
  };
  const startedAt = Date.now();
  const saleId = await storeSale(pool, { orange: 10 });
  const [first, second] = await storeOrders(pool, saleId, [{}, {}]);
  await buildEnds(pool).payments.accept(makeNotice(first?.reservationId ?? ''));
  await untilReplayed();
  const read = async () => call('GET', `/v1/sales/${saleId}/report`);
  const before = await read();
  t.match(before, { status: 200, body: { totals: { available: 8, units: { paid: 1, pending: 1 } } } });
  const asOf = Date.parse((before.body as unknown as SaleReport).asOf);
  t.ok(asOf >= startedAt - 1_000 && asOf <= Date.now() + 1_000, 'it says how old it is');

  await ask(standby.url, 'SELECT pg_wal_replay_pause()');
  await until('replay stands still', async () => {
    const sql = `SELECT pg_get_wal_replay_pause_state() AS state`;
    return (await ask<{ state: string }>(standby.url, sql))?.state === 'paused';
  });
  const frozen = await read();
  await buildEnds(pool).payments.accept(makeNotice(second?.reservationId ?? ''));
  t.same((await read()).body, frozen.body, 'what the primary has since is not in it, and asOf says so');
  await ask(standby.url, 'SELECT pg_wal_replay_resume()');
  await untilReplayed();
  t.match(await read(), { body: { totals: { units: { paid: 2, pending: 0 } } } });

  await standby.stop();
  t.match(await read(), { status: 503, body: { code: 'overloaded' } }, 'a replica that is away');
  t.match(await call('GET', `/v1/sales/${saleId}/orders`), { status: 200 }, 'everything else goes on');
});
