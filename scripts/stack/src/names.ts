/**
 * Names of running stacks. Each has one folder `.run/<name>` in the checkout, claimed by a file that names
 * its owner.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tryClaimFile } from './machine/claims.ts';
import { atExit } from './machine/cleanup.ts';
import { StackError } from './errors.ts';
import { checkStackName, isAlive, readOwner } from '@seckill/runtime';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export const RUN_FOLDER = join(ROOT, '.run');

/** More runs than this side by side on one machine are a leak, not a wish. */
const SUFFIX_MAX = 50;

/** Logs of ended stacks are kept this long, so that they can be read. Tests use a new name each run. */
const LOGS_MS = 24 * 60 * 60_000;

export interface Claim {
  name: string;
  folder: string;
  release: () => void;
}

/** The folder of a stack. @throws UsageError for what can be no name. */
export function folderOf(name: string): string {
  return join(RUN_FOLDER, checkStackName(name));
}

function removeOldLogs(): void {
  for (const name of readdirSync(RUN_FOLDER)) {
    const folder = join(RUN_FOLDER, name);
    const status = statSync(folder, { throwIfNoEntry: false });
    if (status === undefined || Date.now() - status.mtimeMs < LOGS_MS) continue;
    const holder = readOwner(join(folder, 'owner.json'));
    if (holder === undefined || !isAlive(holder)) rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes the folder of runs. @throws StackError SECKILL_STACK_FOLDER when the checkout is another user's. */
function makeRunFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    accessSync(RUN_FOLDER, constants.R_OK | constants.X_OK);
  } catch (error) {
    const { uid } = statSync(existsSync(RUN_FOLDER) ? RUN_FOLDER : ROOT);
    const text = `${folder} cannot be written: ${RUN_FOLDER} is user ${uid}'s; use a checkout of your own`;
    throw new StackError('SECKILL_STACK_FOLDER', text, error);
  }
}

function tryClaim(name: string): Claim | undefined {
  const folder = folderOf(name);
  const file = join(folder, 'owner.json');
  makeRunFolder(folder);
  removeOldLogs();
  const releaseFile = tryClaimFile(file);
  if (releaseFile === undefined) return undefined;
  rmSync(join(folder, 'stack.json'), { force: true });
  const releaseNow = (): void => {
    rmSync(join(folder, 'stack.json'), { force: true });
    releaseFile();
    // Service logs stay for reading. Without logs there is nothing to keep.
    if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  };
  const forget = atExit(releaseNow);
  const release = (): void => {
    releaseNow();
    forget();
  };
  return { name, folder, release };
}

/** Claims a name. @throws StackError SECKILL_STACK_NAME_IN_USE while a living process holds it. */
export function claimName(name: string): Claim {
  const claim = tryClaim(name);
  if (claim !== undefined) return claim;
  const holder = readOwner(join(folderOf(name), 'owner.json'));
  throw new StackError(
    'SECKILL_STACK_NAME_IN_USE',
    `a stack named "${name}" is already running (pid ${holder?.pid ?? 'unknown'}): stop it or give another --name`,
  );
}

/** Claims a name for a run that does not care what it is called: `name`, `name-2`, `name-3`, … */
export function claimFreeName(name: string): Claim {
  for (let suffix = 1; suffix <= SUFFIX_MAX; suffix += 1) {
    const claim = tryClaim(suffix === 1 ? name : `${name}-${suffix}`);
    if (claim !== undefined) return claim;
  }
  return claimName(name);
}
