import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder `bench`, whether we run from `src` (tests) or from `dist/src`. */
export const BENCH_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
export const PROJECT_ROOT = dirname(BENCH_ROOT);

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

/** Makes the folder where a run leaves its files. The folder is not in version control. */
export function makeResultFolder(name: string, out: string | undefined): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const folder = out ?? join(BENCH_ROOT, 'runs', `${name}-${stamp}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}
