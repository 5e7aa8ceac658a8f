/** PostgreSQL and a standby that has every commit before it is confirmed. */
import { appendFileSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../../errors.ts';
import { freePorts } from '../../machine/ports.ts';
import { run, tailOf } from '../../machine/programs.ts';
import type { Log } from '../../machine/progress.ts';
import type { StartContext } from '../engine.ts';
import { findPostgres, launcher, postgres, prepareServer, type Launch } from '../postgres.ts';
import type { Nodes } from './nodes.ts';

interface Prepared {
  url: string;
  /** Waits for nothing but its own server. */
  launch: Launch;
}

/**
 * A standby begins with a copy of the database. The copy is taken before the first start, so no tool for a
 * backup is needed. A commit waits for the standby, as in production: an order that one disk alone knows is a
 * promise of one disk.
 */
async function preparePair(
  bin: string,
  context: StartContext,
): Promise<{ primary: Prepared; standby: Prepared }> {
  const { server, password } = await prepareServer(bin, context);
  const { folder, user, url } = server;
  const data = join(folder, 'standby');
  const copied = await run('cp', ['-a', server.data, data], { timeoutMs: 60_000 });
  if (!copied.ok) throw new StackError('SECKILL_STACK_ENGINE', `copy failed:\n${tailOf(copied.stderr)}`);
  const leader = `host=127.0.0.1 port=${new URL(url).port} user=seckill password=${password}`;
  // By file: arguments are visible in the process list.
  appendFileSync(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${leader}'\n`);
  const signal = join(data, 'standby.signal');
  writeFileSync(signal, '', { mode: 0o600 });
  if (user.uid !== undefined && user.gid !== undefined) chownSync(signal, user.uid, user.gid);
  const [port] = (await freePorts(1)) as [number];
  const standby = {
    ...server,
    name: 'postgres-standby',
    data,
    url: url.replace(/:\d+\//, `:${port}/`),
    logFile: context.logFile.replace(/\.log$/, '-standby.log'),
  };
  // A standby that was away for a while finds what it missed.
  const kept = ['synchronous_standby_names=*', 'wal_keep_size=512MB'];
  return {
    primary: { url, launch: launcher(bin, { ...server, settings: kept }) },
    standby: { url: standby.url, launch: launcher(bin, standby) },
  };
}

/** @throws StackError as `startEngines` does */
export async function startPostgresPair(
  nodes: Nodes,
  folder: string,
  stack: string,
  log: Log,
): Promise<{ url: string; standbyUrl: string; origin: string }> {
  const program = await findPostgres(log);
  if (program === undefined) {
    throw new StackError('SECKILL_STACK_ENGINE_MISSING', `postgres is missing; needed: ${postgres.advice}`);
  }
  const place = { stack, folder: join(folder, 'postgres'), logFile: join(folder, 'postgres.log'), log };
  const { primary, standby } = await preparePair(program.bin, place);
  const start = ({ launch }: typeof primary, name: string): Promise<void> =>
    nodes.start(name, async () => (await launch()).child);
  const launched = await Promise.allSettled([start(primary, 'postgres'), start(standby, 'postgres-standby')]);
  const failed = launched.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { url: primary.url, standbyUrl: standby.url, origin: program.origin };
}
