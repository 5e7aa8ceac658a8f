/**
 * What an engine is, whoever provides it. One file for each engine says how: redis.ts, kafka.ts, postgres.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../machine/children.ts';
import { StackError, textOf } from '../errors.ts';
import { tailOf } from '../machine/programs.ts';
import type { Log } from '../machine/progress.ts';

export type EngineName = 'redis' | 'kafka' | 'postgres';

export const ENGINE_NAMES: EngineName[] = ['redis', 'kafka', 'postgres'];

/** Where one start may write, and what the engine shall be called. */
export interface StartContext {
  stack: string;
  /** The folder is fresh for each attempt. */
  folder: string;
  logFile: string;
  log: Log;
}

export interface Launched {
  url: string;
  child: Child;
}

/** A way to run an engine on this machine. A second `launch` of one preparation starts on the same data. */
export interface Program {
  origin: string;
  prepare(context: StartContext): Promise<{ launch: () => Promise<Launched> }>;
}

export interface Container {
  port: number;
  env: Record<string, string>;
  /** The shell command inside the container. The command becomes process 1. */
  command: string;
  url: string;
}

export interface EngineKind {
  name: EngineName;
  /** The variable that names an engine that already runs. */
  variable: string;
  find(): Promise<Program | undefined>;
  install(log: Log): Promise<Program | undefined>;
  container(): Promise<Container>;
  /** Speaks the protocol once. Throws while the engine is not ready. */
  probe(url: string): Promise<void>;
  /** Tells a person how to get the engine. */
  advice: string;
}

/** Engines need no variable of ours, and they must not see our secrets. */
export function engineEnv(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8', TZ: 'UTC', ...extra };
}

const PROBE_EVERY_MS = 100;

/**
 * Waits until the engine answers. Throws with the tail of its log when the engine ends before that, or after
 * `timeoutMs`.
 */
export async function untilReady(
  kind: Pick<EngineKind, 'name' | 'probe'>,
  launched: Launched,
  logFile: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last = 'no answer';
  while (launched.child.isRunning() && performance.now() < deadline) {
    try {
      await kind.probe(launched.url);
      return;
    } catch (error) {
      last = textOf(error);
    }
    await Promise.race([sleep(PROBE_EVERY_MS), launched.child.exited]);
  }
  const ended = launched.child.isRunning()
    ? `not ready within ${timeoutMs / 1000} s (${last})`
    : 'ended at once';
  await launched.child.stop();
  const tail = existsSync(logFile) ? tailOf(readFileSync(logFile, 'utf8')) : '';
  throw new StackError('SECKILL_STACK_ENGINE', `${kind.name} ${ended}; its log:\n${tail}`);
}
