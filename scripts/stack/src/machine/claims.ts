/** Files that say who holds something; a holder that is dead holds nothing. */
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { atExit } from './cleanup.ts';
import { isAlive, ownerOf, readOwner } from '@seckill/runtime';

/**
 * Takes `file` until the function returned is called, or we exit. Its folder is ours alone to write to.
 * @returns undefined when a living process holds it.
 */
export function tryClaimFile(file: string): (() => void) | undefined {
  const holder = readOwner(file);
  if (holder !== undefined && isAlive(holder)) return undefined;
  // Written whole under another name, then linked: link fails when a racing start was first, so one of two
  // wins.
  const draft = `${file}.${process.pid}.tmp`;
  try {
    rmSync(file, { force: true });
    rmSync(draft, { force: true });
    // Not secret: another user's stack looks here who holds the known ports. `wx` follows no link.
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
