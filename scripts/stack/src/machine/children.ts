/**
 * Child processes that cannot outlive us.
 *
 * Each child leads its own session, because a terminal's Ctrl-C must reach only our program, which stops
 * things in order. A pipe binds the child to our life: the guard shell leaves one subshell that reads the
 * pipe, then becomes the child itself, so the pid is the child's. When we die, however we die, the kernel
 * closes our end of the pipe and the subshell kills the group. This one way serves Linux, macOS and Alpine.
 * `setpriv --pdeathsig` is Linux only. `--pdeathsig` misses a parent that died before the child asked for the
 * signal, and it follows the parent's thread, not its process.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { atExit } from './cleanup.ts';
import { StackError } from '../errors.ts';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** The file that takes stdout and stderr (appended), or the terminal. */
  output: { file: string } | 'inherit';
  /** Keeps the child's stdin open while we live. A container ends when it closes. */
  holdStdin?: boolean;
  uid?: number;
  gid?: number;
  stopSignal?: NodeJS.Signals;
  /** How long `stop` waits before SIGKILL, in ms. */
  stopMs?: number;
}

export interface Child {
  name: string;
  pid: number;
  exited: Promise<Exit>;
  isRunning(): boolean;
  /** Sends the signal to the child alone. `killGroup` also reaches what the child started. */
  kill(signal: NodeJS.Signals): void;
  killGroup(signal: NodeJS.Signals): void;
  /** Sends `stopSignal`, waits at most `stopMs`, then sends SIGKILL. Resolves when the child is gone. */
  stop(): Promise<void>;
}

/** `wakeChildren` in the words of a shell stands before the KILL. */
const GUARD =
  '(read -r _ <&3 || { read -r children <"/proc/$$/task/$$/children"; kill -s CONT $children; kill -s KILL -- -$$; }) >/dev/null 2>&1 & exec "$@" 3<&-';

const STOP_MS = 5_000;

function signalPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH means that the group is already gone. macOS answers EPERM for a group that holds only zombies.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/**
 * Lets the child's own children go on, before the child ends. PostgreSQL's processes lead groups of their
 * own. These processes end by themselves when they see that their server is gone, and one that somebody froze
 * would stay for ever. Where there is no /proc (macOS) nothing is done.
 */
function wakeChildren(pid: number): void {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    return;
  }
  for (const child of children.split(' ').filter((word) => word.trim() !== '')) {
    signalPid(Number(child), 'SIGCONT');
  }
}

/**
 * Starts one child that is bound to our life.
 * @throws StackError SECKILL_STACK_SPAWN when even the guard shell cannot start.
 */
export function startChild(options: ChildOptions): Promise<Child> {
  const sink =
    options.output === 'inherit' ? ('inherit' as const) : openSync(options.output.file, 'a', 0o600);
  const input = options.holdStdin === true ? 'pipe' : options.output === 'inherit' ? 'inherit' : 'ignore';
  const spawned = spawn('/bin/sh', ['-c', GUARD, options.name, options.command, ...options.args], {
    detached: true,
    env: options.env,
    stdio: [input, sink, sink, 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  if (typeof sink === 'number') closeSync(sink);
  const leash = spawned.stdio[3] as Socket | null;
  // Both ends may vanish at any time. We act on the exit event.
  leash?.on('error', () => undefined).unref();
  spawned.stdin?.on('error', () => undefined);

  return new Promise((resolve, reject) => {
    spawned.once('error', (error) => {
      reject(
        new StackError('SECKILL_STACK_SPAWN', `${options.name} cannot be started: ${error.message}`, error),
      );
    });
    const { pid } = spawned;
    if (pid === undefined) return;
    let running = true;
    const forget = atExit(() => {
      wakeChildren(pid);
      signalPid(-pid, 'SIGKILL');
    });
    const exited = new Promise<Exit>((resolveExit) => {
      spawned.once('exit', (code, signal) => {
        running = false;
        forget();
        // The guard's subshell is still in the group, so the group's number cannot have been given to others.
        signalPid(-pid, 'SIGKILL');
        leash?.destroy();
        resolveExit({ code, signal });
      });
    });
    const kill = (signal: NodeJS.Signals): void => {
      if (!running) return;
      if (signal === 'SIGKILL') wakeChildren(pid);
      signalPid(pid, signal);
    };
    const killGroup = (signal: NodeJS.Signals): void => {
      if (!running) return;
      if (signal === 'SIGKILL') wakeChildren(pid);
      signalPid(-pid, signal);
    };
    const stop = async (): Promise<void> => {
      kill(options.stopSignal ?? 'SIGTERM');
      // A stopped (SIGSTOP) child would never see the signal.
      kill('SIGCONT');
      wakeChildren(pid);
      const timer = new AbortController();
      const late = sleep(options.stopMs ?? STOP_MS, undefined, { signal: timer.signal }).then(
        () => {
          killGroup('SIGKILL');
        },
        () => undefined,
      );
      await exited;
      timer.abort();
      await late;
    };
    resolve({ name: options.name, pid, exited, isRunning: () => running, kill, killGroup, stop });
  });
}
