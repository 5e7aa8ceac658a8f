/** Makes data folders in the system's temporary folder, and removes those that a killed stack left there. */
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { atExit } from './cleanup.ts';
import { isAlive, ownerOf, readOwner } from '@seckill/runtime';

const PREFIX = 'seckill-stack-';

/** A folder without a readable owner may be one that is being made at this moment. */
const UNOWNED_MS = 60_000;

/** Whether every user may pass to this folder. Postgres runs as another user when we are root. */
export function isTraversable(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

function dataRoot(): string {
  const folder = tmpdir();
  // TMPDIR may point into root's 0700 home.
  return process.getuid?.() === 0 && !isTraversable(folder) ? '/tmp' : folder;
}

/**
 * Removes folders whose owner is gone, if the folders are ours. Another user's stack is not ours to judge,
 * and a link that another user laid there leads to what is not ours to remove.
 */
export function removeStaleFolders(): string[] {
  const removed: string[] = [];
  for (const entry of readdirSync(dataRoot())) {
    if (!entry.startsWith(PREFIX)) continue;
    const folder = join(dataRoot(), entry);
    const status = lstatSync(folder, { throwIfNoEntry: false });
    if (status?.isDirectory() !== true || status.uid !== process.getuid?.()) continue;
    const owner = readOwner(join(folder, 'owner.json'));
    if (owner === undefined ? Date.now() - status.mtimeMs < UNOWNED_MS : isAlive(owner)) continue;
    rmSync(folder, { recursive: true, force: true });
    removed.push(folder);
  }
  return removed;
}

export interface Folder {
  path: string;
  remove(): void;
}

/** Makes a folder. `remove` removes it. Our exit removes it at the latest. */
export function makeFolder(name: string): Folder {
  const path = mkdtempSync(join(dataRoot(), `${PREFIX}${name}-`));
  const removeNow = (): void => {
    // The removal is retried, because a process that is being killed may still write a file.
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  const forget = atExit(removeNow);
  // Postgres' user must pass through this folder. What lies inside is 0600 or 0700.
  chmodSync(path, 0o711);
  writeFileSync(join(path, 'owner.json'), JSON.stringify(ownerOf(process.pid)), { mode: 0o600 });
  const remove = (): void => {
    removeNow();
    forget();
  };
  return { path, remove };
}
