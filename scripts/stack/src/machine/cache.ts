/**
 * Keeps downloads outside the checkout, shared by all checkouts. A download is made in a folder of its own
 * and then renamed into place.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './cleanup.ts';

/** This is longer than any download may take. An older draft was left by a process that was killed. */
const DRAFT_MS = 60 * 60_000;

/** The cache of root is not under /root. Postgres runs as another user, which may not pass there. */
export function cacheFolder(): string {
  const given = process.env['SECKILL_CACHE_DIR'];
  if (given !== undefined && given !== '') return given;
  if (process.getuid?.() === 0) return '/var/cache/seckill';
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'seckill');
}

export function cached(name: string): string | undefined {
  const folder = join(cacheFolder(), name);
  return existsSync(folder) ? folder : undefined;
}

const DRAFT = 'download-';

function removeStaleDrafts(): void {
  for (const entry of readdirSync(cacheFolder())) {
    const folder = join(cacheFolder(), entry);
    const status = statSync(folder, { throwIfNoEntry: false });
    if (!entry.startsWith(DRAFT) || status === undefined || Date.now() - status.mtimeMs < DRAFT_MS) continue;
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The folder `name` of the cache, which `fill` makes when it is absent. Two first starts at once both
 * download. Whole folders are renamed, so the later start finds the place taken and throws its own folder
 * away. Nobody ever sees half a folder.
 */
export async function fillCache(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(cacheFolder(), name);
  if (existsSync(target)) return target;
  mkdirSync(cacheFolder(), { recursive: true, mode: 0o755 });
  removeStaleDrafts();
  // The parent is 0700 (mkdtemp). The child of this folder is what is renamed, and Postgres' user can read
  // it.
  const parent = mkdtempSync(join(cacheFolder(), DRAFT));
  const remove = (): void => {
    rmSync(parent, { recursive: true, force: true });
  };
  const forget = atExit(remove);
  const draft = join(parent, 'draft');
  try {
    mkdirSync(draft, { mode: 0o755 });
    await fill(draft);
    renameSync(draft, target);
  } catch (error) {
    const isTaken = ['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (!isTaken || !existsSync(target)) throw error;
  } finally {
    remove();
    forget();
  }
  return target;
}
