/** Finds where an engine comes from: the first source that has it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../machine/children.ts';
import { startContainer } from './docker.ts';
import type { EngineKind, Launched, Program } from './engine.ts';
import { StackError, textOf } from '../errors.ts';
import type { Log } from '../machine/progress.ts';

/**
 * A port may be taken between finding and using it. A program that fails three times fails for another
 * reason.
 */
export const ATTEMPTS_MAX = 3;

export interface Running {
  url: string;
  origin: string;
  /** Absent for an engine of the environment and for one that was killed. */
  child: Child | undefined;
  launch?: () => Promise<Launched>;
}

export function isPortTaken(error: unknown): boolean {
  return /in use|EADDRINUSE|BindException|already allocated/i.test(textOf(error));
}

export async function startProgram(
  kind: Pick<EngineKind, 'name'>,
  program: Program,
  folder: string,
  stack: string,
  log: Log,
): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    const context = {
      stack,
      folder: join(folder, `${kind.name}-${attempt}`),
      logFile: join(folder, `${kind.name}.log`),
      log,
    };
    try {
      const { launch } = await program.prepare(context);
      return { origin: program.origin, launch, ...(await launch()) };
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isPortTaken(error)) throw error;
      rmSync(context.logFile, { force: true });
    }
  }
}

function missing(kind: EngineKind): StackError {
  return new StackError(
    'SECKILL_STACK_ENGINE_MISSING',
    `${kind.name} is missing: there is no ${kind.variable}, no running Docker, no local program, and it could not be installed.\n` +
      `  Either start Docker, or provide ${kind.advice};\n` +
      `  or point ${kind.variable} to one that runs.`,
  );
}

/**
 * Starts an engine from the first source that has it: environment, Docker, this machine, its package client.
 */
export async function startEngine(
  kind: EngineKind,
  hasDocker: boolean,
  folder: string,
  stack: string,
  log: Log,
): Promise<Running> {
  const given = process.env[kind.variable];
  if (given !== undefined && given !== '') return { url: given, origin: 'environment', child: undefined };
  if (hasDocker) {
    const context = {
      stack,
      folder: join(folder, kind.name),
      logFile: join(folder, `${kind.name}.log`),
      log,
    };
    try {
      return { origin: 'docker', ...(await startContainer(kind, context)) };
    } catch (error) {
      log(`${kind.name} not from Docker: ${textOf(error).split('\n')[0] ?? ''}`);
    }
  }
  const program = (await kind.find()) ?? (await kind.install(log));
  if (program === undefined) throw missing(kind);
  return startProgram(kind, program, folder, stack, log);
}
