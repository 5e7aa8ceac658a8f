/** Files that say who holds something; a holder that is dead holds nothing. */
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { atExit } from './cleanup.ts';
import { isAlive, ownerOf, readOwner } from '@seckill/runtime';

/** Takes `file` until the function returned is called, or we exit. undefined: a living process holds it. */
export function tryClaimFile(file: string): (() => void) | undefined {
  const holder = readOwner(file);
  if (holder !== undefined && isAlive(holder)) return undefined;
  // Written whole under another name, then linked: link fails when a racing start was first, so one of two wins.
  const draft = `${file}.${process.pid}.tmp`;
  try {
    rmSync(file, { force: true });
    writeFileSync(draft, JSON.stringify(ownerOf(process.pid)), { mode: 0o600 });
    linkSync(draft, file);
  } catch (error) {
    // EPERM, EACCES: another user's, in the system's temporary folder.
    if (['EEXIST', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
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
