/** One stack of a machine listens on the ports that everybody knows. The others take free ones. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, parseOwner } from '@seckill/runtime';
import { textOf } from '../errors.ts';
import { tryClaimFile } from '../machine/claims.ts';
import { ensureOwnFolder, ownUid } from '../machine/own-folder.ts';

/** There is one shared folder for the machine, wherever TMPDIR points. */
const SHARED_FOLDER = '/tmp';

const FOLDER = /^seckill-(\d+)$/;

const FILE = 'contract-ports.json';

/** A claim has 60 bytes. A longer file is not a claim. */
const BYTES_MAX = 1_000;

export type PortsClaim = { release: () => void } | { reason: string };

/**
 * Claims the known ports. Looking whether 8080 is free is not enough: when two stacks start together, one
 * would take the other's service for its own, because /readyz answers 200 before its own service fails to
 * listen. This was seen. Each user claims in a folder of its own, which no other user can write to, and then
 * looks at the claims of the others. When two users claim together, both see each other and both take free
 * ports.
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

/** Whether a living process of another user claims the ports, in a folder that is really that user's. */
function isClaimed(shared: string, name: string): boolean {
  const uid = Number(FOLDER.exec(name)?.[1] ?? NaN);
  if (Number.isNaN(uid) || uid === ownUid()) return false;
  try {
    const status = lstatSync(join(shared, name));
    if (!status.isDirectory() || status.uid !== uid) return false;
    const owner = parseOwner(readForeign(join(shared, name, FILE)));
    return owner !== undefined && isAlive(owner);
  } catch {
    // The claim is gone, or we may not read it.
    return false;
  }
}

/**
 * Reads a file of another user. Such a file may be a link to elsewhere, a pipe on which reading waits for
 * ever, or endless.
 */
function readForeign(file: string): string {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(handle);
    return status.isFile() && status.size <= BYTES_MAX ? readFileSync(handle, 'utf8') : '';
  } finally {
    closeSync(handle);
  }
}
