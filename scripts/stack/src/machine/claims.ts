/** Files that say who holds something. A holder that is dead holds nothing. */
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { atExit } from './cleanup.ts';
import { isAlive, ownerOf, readOwner } from '@seckill/runtime';

/**
 * Takes `file` until the returned function is called, or until we exit. The file's folder is ours alone to
 * write to.
 * @returns undefined when a living process holds the file.
 */
export function tryClaimFile(file: string): (() => void) | undefined {
  const holder = readOwner(file);
  if (holder !== undefined && isAlive(holder)) return undefined;
  // The file is written whole under another name and then linked. The link fails when a racing start was
  // first, so one of two wins.
  const draft = `${file}.${process.pid}.tmp`;
  try {
    rmSync(file, { force: true });
    rmSync(draft, { force: true });
    // The content is not secret: another user's stack looks here to see who holds the known ports. `wx`
    // follows no link.
    writeFileSync(draft, JSON.stringify(ownerOf(process.pid)), { mode: 0o644, flag: 'wx' });
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const releaseNow = (): void => {
    rmSync(file, { force: true });
  };
  const forget = atExit(releaseNow);
  return () => {
    releaseNow();
    forget();
  };
}
