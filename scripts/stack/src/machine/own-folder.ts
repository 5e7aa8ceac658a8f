/**
 * Folders of one user in places that all users write to. When somebody else made a folder of that name, we do
 * not use it.
 */
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { StackError } from '../errors.ts';

/** The user id. The id is 0 where the system knows no users. */
export const ownUid = (): number => process.getuid?.() ?? 0;

/**
 * Makes the folder, or finds the one that we made before. Others may read what lies in it.
 * @throws StackError SECKILL_STACK_FOLDER when a link, a file or another user's folder stands there, or a
 * folder that others may write to. What we write there could be led elsewhere.
 */
export function ensureOwnFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
    // The rights are set explicitly, so they hold also under a umask that takes them away.
    chmodSync(path, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const status = lstatSync(path);
  const isSafe = status.isDirectory() && status.uid === ownUid() && (status.mode & 0o022) === 0;
  if (isSafe) return;
  const what = status.isDirectory() ? `a folder of user ${status.uid}, or open to others` : 'no folder';
  throw new StackError('SECKILL_STACK_FOLDER', `${path} is ${what}: it is not used; remove it`);
}
