import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClientContext, Redis, Result } from 'ioredis';
import { SCRIPT_PARTS, type ScriptName } from './keys.ts';

/** What a script answers: texts and whole numbers, as its header says. */
export type ScriptAnswer = (string | number)[];

declare module 'ioredis' {
  // Keys come as one array, in the order of `scriptKeys`; ioredis flattens it.
  interface RedisCommander<Context extends ClientContext> {
    /** An error stands in the place of the answer of a request that met broken counts. */
    reserve(
      keys: string[],
      runId: string,
      outboxCountMax: number,
      deadline: number,
      ...requests: (string | number)[]
    ): Result<(ScriptAnswer | Error)[], Context>;
    load(
      keys: string[],
      epoch: number,
      chunk: number,
      isLast: '0' | '1',
      control: string,
      ...orders: (string | number)[]
    ): Result<ScriptAnswer, Context>;
    open(
      keys: string[],
      runId: string,
      epoch: number,
      sequence: number,
      fence: number,
      ...node: [] | [server: string, slot: number]
    ): Result<ScriptAnswer, Context>;
    close(keys: string[], runId: string, force: '0' | '1'): Result<ScriptAnswer, Context>;
    control(keys: string[], runId: string, control: string): Result<ScriptAnswer, Context>;
    inspect(keys: string[], runId: string): Result<ScriptAnswer, Context>;
    /** @param retake `<epoch>-<sequence>` of a hold that was taken again; '': the first hold. */
    settle(
      keys: string[],
      random: string,
      keyHash: string,
      verdict: string,
      retake: string,
    ): Result<ScriptAnswer, Context>;
    /** @param returned as `formatReturned` writes it. */
    return(keys: string[], random: string, keyHash: string, returned: string): Result<ScriptAnswer, Context>;
    retake(
      keys: string[],
      runId: string,
      outboxCountMax: number,
      random: string,
      keyHash: string,
    ): Result<ScriptAnswer, Context>;
    retire(keys: string[]): Result<ScriptAnswer, Context>;
    trim(keys: string[], token: string, entryId: string): Result<number, Context>;
    lease(keys: string[], token: string, leaseMs: number): Result<number, Context>;
  }
}

export const SCRIPT_NAMES = Object.keys(SCRIPT_PARTS) as ScriptName[];

export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  readonly code = 'SECKILL_SCRIPT_INVALID';
}

const INCLUDE = /^--- @include "(\w+)"$/gm;
/** Included files include nothing themselves. This one level keeps every script readable in two files. */
const inlineIncludes = (source: string): string =>
  source.replace(INCLUDE, (_line, name: string) => readSource(`include/${name}.lua`));

function readSource(path: string): string {
  return readFileSync(fileURLToPath(import.meta.resolve(`@seckill/lua/${path}`)), 'utf8');
}

/**
 * The script as Redis gets it. Includes are inlined, and comment lines and empty lines are gone, because the
 * script is sent once per connection.
 */
export function buildScript(name: ScriptName): string {
  const source = inlineIncludes(readSource(`${name}.lua`));
  const [shebang = '', ...lines] = source.split('\n');
  // Redis takes an unflagged script for one of the old kind, without the cross-slot check.
  if (!shebang.startsWith('#!lua')) throw new ScriptError(`${name}.lua does not start with #!lua`);
  const code = lines.filter((line) => !/^\s*(--.*)?$/.test(line));
  return [shebang, ...code].join('\n');
}

/**
 * How many KEYS the header names. The number is constant per script, because ioredis Cluster routes by it.
 */
export function countKeys(name: ScriptName): number {
  const header = readSource(`${name}.lua`).split('\n\n', 1)[0] ?? '';
  const numbers = [...header.matchAll(/KEYS\[(\d+)\]/g)].map(([, number]) => Number(number));
  if (numbers.length === 0 || numbers.some((number, index) => number !== index + 1)) {
    throw new ScriptError(`${name}.lua: the header does not name its KEYS in order`);
  }
  return numbers.length;
}

/** Gives the connection one typed command per script: EVALSHA, and EVAL the first time. */
export function defineScripts(redis: Redis): void {
  for (const name of SCRIPT_NAMES) {
    redis.defineCommand(name, { lua: buildScript(name), numberOfKeys: countKeys(name) });
  }
}

/**
 * The scripts are read once: what is loaded is what EVALSHA names, even when the files below a running
 * process are replaced.
 */
const reserveSource = buildScript('reserve');
/** Sent whole, because it is rare: a Redis that does not know the script would be a case more. */
export const RETAKE_SOURCE = buildScript('retake');
export const RESERVE_SCRIPT = {
  source: reserveSource,
  hash: createHash('sha1').update(reserveSource).digest('hex'),
};
