/** One stack of a machine listens on the ports that everybody knows; the others take free ones. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, parseOwner } from '@seckill/runtime';
import { textOf } from '../errors.ts';
import { tryClaimFile } from '../machine/claims.ts';
import { ensureOwnFolder, ownUid } from '../machine/own-folder.ts';

/** One for the machine, wherever TMPDIR points. */
const SHARED_FOLDER = '/tmp';

const FOLDER = /^seckill-(\d+)$/;

const FILE = 'contract-ports.json';

/** A claim has 60 bytes. What is longer is none. */
const BYTES_MAX = 1_000;

export type PortsClaim = { release: () => void } | { reason: string };

/**
 * Looking whether 8080 is free is not enough: of two stacks that start together, one would take the other's
 * service for its own (seen), because /readyz answers 200 before its own fails to listen. Each user claims in
 * a folder of its own, which no other can write to, and then looks at the claims of the others. Of two users
 * who claim together both see the other, and both take free ports.
 */
export function claimContractPorts(shared = SHARED_FOLDER): PortsClaim {
  const folder = join(shared, `seckill-${ownUid()}`);
  let release: (() => void) | undefined;
  try {
    ensureOwnFolder(folder);
    release = tryClaimFile(join(folder, FILE));
  } catch (error) {
    return { reason: textOf(error) };
  }
  if (release === undefined) return { reason: 'another stack of yours has them' };
  const other = readdirSync(shared).find((name) => isClaimed(shared, name));
  if (other === undefined) return { release };
  release();
  return { reason: `a stack of user ${FOLDER.exec(other)?.[1] ?? ''} has them` };
}

/** By a living process of another user, in a folder that is really that user's. */
function isClaimed(shared: string, name: string): boolean {
  const uid = Number(FOLDER.exec(name)?.[1] ?? NaN);
  if (Number.isNaN(uid) || uid === ownUid()) return false;
  try {
    const status = lstatSync(join(shared, name));
    if (!status.isDirectory() || status.uid !== uid) return false;
    const owner = parseOwner(readForeign(join(shared, name, FILE)));
    return owner !== undefined && isAlive(owner);
  } catch {
    // Gone, or not for us to read.
    return false;
  }
}

/** Another user's file may be a link to elsewhere, a pipe on which reading waits for ever, or endless. */
function readForeign(file: string): string {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(handle);
    return status.isFile() && status.size <= BYTES_MAX ? readFileSync(handle, 'utf8') : '';
  } finally {
    closeSync(handle);
  }
}
