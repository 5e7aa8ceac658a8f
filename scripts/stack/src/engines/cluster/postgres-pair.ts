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
  const start = async (name: string, launch: typeof primary): Promise<string> => {
    const { url, child } = await launch();
    nodes.add(name, child, async () => (await launch()).child);
    return url;
  };
  const [first, second] = await Promise.allSettled([
    start('postgres', primary),
    start('postgres-standby', standby),
  ]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return { url: first.value, standbyUrl: second.value, origin: program.origin };
}
