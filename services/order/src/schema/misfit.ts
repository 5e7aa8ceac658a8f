import type { Pool } from '@seckill/runtime';
import type { Migration } from './migrations.ts';

/** Why a release cannot run on a database. */
export interface Misfit {
  /** A newer release has migrated the database. Otherwise migrations of this one are missing. */
  isNewer: boolean;
  /** For a person: what is wrong, and what to do. */
  sentence: string;
}

interface Row {
  number: number;
  name: string;
  breaking: string | null;
}

/** undefined_table: nothing was ever migrated here. */
const NO_TABLE = '42P01';

/**
 * Compares what was applied with what this release knows (D99). Migrations that only add are no misfit: the
 * release before goes on while a newer one is rolled out, and after one went back to it.
 * @returns undefined: they fit. @throws Postgres' own error.
 */
export async function findMisfit(
  client: Pick<Pool, 'query'>,
  known: Pick<Migration, 'number'>[],
): Promise<Misfit | undefined> {
  const applied = await readApplied(client);
  const barrier = applied.find(({ number, breaking }) => number > known.length && breaking !== null);
  if (barrier !== undefined) {
    const { number, name, breaking } = barrier;
    return {
      isNewer: true,
      sentence:
        `this release knows migrations up to ${known.length} and cannot run on a database with migration ` +
        `${number} (${name}): ${breaking ?? ''}; start a release that knows it`,
    };
  }
  const newest = applied[0]?.number ?? 0;
  if (newest >= known.length) return undefined;
  return {
    isNewer: false,
    sentence:
      `this release wants migrations up to ${known.length}, and the database has ` +
      `${newest === 0 ? 'none' : `those up to ${newest}`}: run npm run migrate first`,
  };
}

/** Newest first. A database that only releases before D99 migrated has no column `breaking`. */
async function readApplied(client: Pick<Pool, 'query'>): Promise<Row[]> {
  try {
    const { rows } = await client.query<Row>(
      `SELECT number, name, to_jsonb(migrations) ->> 'breaking' AS breaking
       FROM migrations ORDER BY number DESC`,
    );
    return rows;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NO_TABLE) return [];
    throw error;
  }
}
