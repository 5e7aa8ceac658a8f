/** PostgreSQL and a standby that has every commit before it is confirmed. */
import { join } from 'node:path';
import { StackError } from '../../errors.ts';
import type { Log } from '../../machine/progress.ts';
import { findPostgres, postgres } from '../postgres.ts';
import type { Nodes } from './nodes.ts';

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
  const { primary, standby } = await program.preparePair(place);
  const start = ({ launch }: typeof primary, name: string): Promise<void> =>
    nodes.start(name, async () => (await launch()).child);
  const launched = await Promise.allSettled([start(primary, 'postgres'), start(standby, 'postgres-standby')]);
  const failed = launched.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { url: primary.url, standbyUrl: standby.url, origin: program.origin };
}
