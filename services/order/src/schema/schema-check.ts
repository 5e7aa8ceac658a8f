import { setTimeout as sleepFor } from 'node:timers/promises';
import { classifyPostgresError, systemClock, type Clock, type Logger, type Pool } from '@seckill/runtime';
import type { Migration } from './migrations.ts';
import { findMisfit } from './misfit.ts';

/** For a job that migrates while the services start. A pod may take a minute to be ready. */
const MIGRATION_WAIT_MS = 30_000;
const POLL_MS = 500;
/** A start waits no longer for a PostgreSQL that is silent: after a power cut everything starts at once. */
const ANSWER_MS = 1_000;

/** The message is for a person, and says all: nobody needs to know where it was thrown. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly code = 'SECKILL_SCHEMA_MISFIT';
}

export interface SchemaCheckDeps {
  pool: Pick<Pool, 'query'>;
  known: Pick<Migration, 'number'>[];
  logger: Logger;
  /** Gets what is found after the start went on without an answer. The process must end. */
  onMisfit: (error: SchemaError) => void;
  signal: AbortSignal;
  clock?: Clock;
}

/**
 * Returns once the database fits this release. Whoever starts a rollout before the migrations, or goes back
 * behind one that breaks, hears of it at the first process, which never gets ready. When PostgreSQL does not
 * answer, the start goes on after a second, and PostgreSQL is asked until it answers or the signal aborts.
 * @throws SchemaError
 */
export async function checkSchema(deps: SchemaCheckDeps): Promise<void> {
  const answer = { hasCome: false };
  const fits = waitUntilFits(deps, () => {
    answer.hasCome = true;
  });
  const late = new AbortController();
  const timeout = sleepFor(ANSWER_MS, undefined, { signal: late.signal }).catch(() => undefined);
  await Promise.race([fits, timeout]).finally(() => {
    late.abort();
  });
  if (answer.hasCome) return fits;
  fits.catch(deps.onMisfit);
}

async function waitUntilFits(
  { pool, known, logger, signal, clock = systemClock }: SchemaCheckDeps,
  onAnswer: () => void,
): Promise<void> {
  let deadline: number | undefined;
  for (let asked = 0; !signal.aborted; asked += 1) {
    try {
      const misfit = await findMisfit(pool, known);
      onAnswer();
      if (misfit === undefined) return;
      const now = clock.now();
      if (misfit.isNewer || now > (deadline ?? now)) throw new SchemaError(misfit.sentence);
      if (deadline === undefined) {
        logger.warn({ waitMs: MIGRATION_WAIT_MS, misfit: misfit.sentence }, 'waiting for migrations');
      }
      deadline ??= now + MIGRATION_WAIT_MS;
    } catch (error) {
      if (error instanceof SchemaError) throw error;
      if (classifyPostgresError(error) !== 'transient') {
        logger.error({ err: error }, 'whether the database fits this release is not known');
        onAnswer();
        return;
      }
      if (asked === 0) logger.warn({ err: error }, 'postgres cannot tell yet which migrations it has');
    }
    await clock.sleep(POLL_MS, signal);
  }
}
