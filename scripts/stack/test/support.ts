/** Shared by the tests of this folder: our commands as processes, and a look at what they leave behind. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { untilWithin } from '@seckill/testing';
import { ROOT } from '../src/names.ts';

export const DIST = join(ROOT, 'scripts/stack/dist');

/** `npm test` puts addresses of engines into the environment. These tests start engines of their own. */
export function cleanEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { REDIS_URL: _r, KAFKA_BROKERS: _k, DATABASE_URL: _d, SECKILL_STACK_NAME: _n, ...env } = process.env;
  // tap's loader would cover the children too, and slow their start.
  const { NODE_OPTIONS: _o, npm_lifecycle_event: _l, ...rest } = env;
  return { ...rest, ...extra };
}

export interface Ran {
  child: ChildProcess;
  pid: number;
  /** Standard output and standard error so far. */
  text(): string;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function start(command: string, args: string[], env = cleanEnv(), cwd = ROOT): Ran {
  const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal });
    });
  });
  return { child, pid: child.pid ?? 0, text: () => text, exited };
}

/** The wait is long, because a busy machine starts processes slowly. */
export const until = untilWithin(30_000);

/**
 * Waits for words of a program. @throws Error with all that the program said, when it ends before or after
 * `timeoutMs`.
 */
export async function untilSays(ran: Ran, words: string, timeoutMs = 60_000): Promise<void> {
  const hasEnded = (): boolean => ran.child.exitCode !== null || ran.child.signalCode !== null;
  try {
    await until(words, () => ran.text().includes(words) || hasEnded(), timeoutMs);
  } catch (error) {
    throw new Error(`it only said:\n${ran.text()}`, { cause: error });
  }
  if (!ran.text().includes(words)) throw new Error(`it ended, having said:\n${ran.text()}`);
}

interface Row {
  pid: number;
  parent: number;
  state: string;
  command: string;
}

function processes(): Row[] {
  const text = execFileSync('ps', ['-eo', 'pid=,ppid=,state=,args='], { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state, ...command] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), state: state ?? '', command: command.join(' ') };
    });
}

/** The pids of a process and of all that descends from it. */
export function treeOf(pid: number): number[] {
  const rows = processes();
  const tree = [pid];
  for (const parent of tree) tree.push(...rows.filter((row) => row.parent === parent).map((row) => row.pid));
  return tree;
}

/** The pids whose processes still run. A zombie does not. */
export function livingOf(pids: number[]): string[] {
  return processes()
    .filter((row) => pids.includes(row.pid) && !row.state.startsWith('Z'))
    .map((row) => `${row.pid} ${row.command}`);
}

/** Kills these processes at the end, so that a test that fails leaves none either. */
export function killAll(pids: number[]): void {
  for (const line of livingOf(pids)) process.kill(Number(line.split(' ')[0]), 'SIGKILL');
}

export function foldersOf(name: string, root = '/tmp'): string[] {
  return readdirSync(root).filter((entry) => entry.startsWith(`seckill-stack-${name}-`));
}
