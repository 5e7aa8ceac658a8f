import { systemClock, type Clock, type Logger, type Pool } from '@seckill/runtime';
import type { Migration } from './migrations.ts';
import { findMisfit } from './misfit.ts';

/** For a job that migrates while the services start. A pod may take a minute to be ready. */
const MIGRATION_WAIT_MS = 30_000;
const POLL_MS = 500;

/** The message is for a person, and says all: nobody needs to know where it was thrown. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly code = 'SECKILL_SCHEMA_MISFIT';
}

interface SchemaCheckDeps {
  pool: Pick<Pool, 'query'>;
  known: Pick<Migration, 'number'>[];
  logger: Logger;
  clock?: Clock;
}

/**
 * Returns once the database fits this release, or when PostgreSQL does not answer, which stops no start.
 * Whoever starts a rollout before the migrations, or goes back behind one that breaks, hears of it at the
 * first process, which never gets ready.
 * @throws SchemaError
 */
export async function checkSchema({
  pool,
  known,
  logger,
  clock = systemClock,
}: SchemaCheckDeps): Promise<void> {
  const deadline = clock.now() + MIGRATION_WAIT_MS;
  for (let isTold = false; ; isTold = true) {
    const misfit = await findMisfit(pool, known).catch((error: unknown) => {
      logger.warn({ err: error }, 'postgres cannot tell which migrations it has');
      return undefined;
    });
    if (misfit === undefined) return;
    if (misfit.isNewer || clock.now() > deadline) throw new SchemaError(misfit.sentence);
    if (!isTold)
      logger.warn({ waitMs: MIGRATION_WAIT_MS, misfit: misfit.sentence }, 'waiting for migrations');
    await clock.sleep(POLL_MS);
  }
}
