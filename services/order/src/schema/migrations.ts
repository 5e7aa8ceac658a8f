import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));
const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/;
const BREAKING = /^-- Breaking: (\S.*)$/m;

export class MigrateError extends Error {
  override readonly name = 'MigrateError';
  readonly code = 'SECKILL_MIGRATE_REFUSED';
}

export interface Migration {
  number: number;
  name: string;
  checksum: string;
  sql: string;
  /**
   * Why a release that does not know this migration cannot live with it, as its line `-- Breaking: …` says
   * (D99); null: it can.
   */
  breaking: string | null;
}

/** @throws MigrateError when a name is not `NNNN-words.sql` or a number is missing or taken twice. */
export function readMigrations(folder = FOLDER): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  return files.sort().map((file, index) => {
    const [, number, name] = FILE_NAME.exec(file) ?? [];
    if (Number(number) !== index + 1 || name === undefined) {
      throw new MigrateError(`${file}: expected the name ${String(index + 1).padStart(4, '0')}-….sql`);
    }
    const sql = readFileSync(`${folder}/${file}`, 'utf8');
    const checksum = createHash('sha256').update(sql).digest('hex');
    return { number: index + 1, name, checksum, sql, breaking: BREAKING.exec(sql)?.[1] ?? null };
  });
}
