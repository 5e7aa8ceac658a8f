/**
 * The stacks that run in a checkout: `.run/<name>/stack.json`, held by the process that `owner.json` names.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError } from './command-error.ts';
import { checkStackName, isStackName } from './command-options.ts';
import { isAlive, readOwner } from './process-owner.ts';

const RUN_FOLDER = fileURLToPath(new URL('../../../../.run', import.meta.url));

/** Names of the stacks whose process lives, also of those that are still starting. */
export function runningStacks(runFolder = RUN_FOLDER): string[] {
  const names = namesIn(runFolder);
  return names.filter((name) => {
    const owner = readOwner(join(runFolder, name, 'owner.json'));
    return owner !== undefined && isAlive(owner);
  });
}

/** @throws CommandError when the checkout's stacks are another user's. */
function namesIn(runFolder: string): string[] {
  const status = statSync(runFolder, { throwIfNoEntry: false });
  if (status === undefined) return [];
  try {
    return readdirSync(runFolder).filter(isStackName);
  } catch (error) {
    const text = `${runFolder} cannot be read: it is user ${status.uid}'s; use a checkout of your own`;
    throw new CommandError(text, 1, error);
  }
}

/**
 * What a running stack wrote down. A stack that was killed leaves its file behind: the file counts while its
 * owner lives.
 * @throws CommandError when no such stack runs, or it lacks one of the fields; the message names those that
 * run.
 */
export function readStackFile<Field extends string>(
  name: string,
  fields: readonly Field[],
  runFolder = RUN_FOLDER,
): Record<Field, string> & { isRedisCluster?: unknown } {
  checkStackName(name);
  const running = runningStacks(runFolder);
  if (!running.includes(name)) {
    const others = running.length === 0 ? '' : ` (running: ${running.join(', ')}; choose with --name)`;
    throw new CommandError(`no stack named "${name}" is running${others}; start one with npm start`);
  }
  const info = readInfo(join(runFolder, name, 'stack.json'));
  if (info === undefined) throw new CommandError(`the stack "${name}" is still starting`);
  if (fields.every((field) => typeof info[field] === 'string'))
    return info as Record<Field, string> & { isRedisCluster?: unknown };
  throw new CommandError(`the stack "${name}" runs the engines alone; start all with npm start`);
}

/** Undefined while there is no file. */
function readInfo(file: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
