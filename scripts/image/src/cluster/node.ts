/** The node: a process in namespaces of its own, and what was started inside. With it everything ends. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownerOf, readOwner } from '@seckill/runtime';
import { run, StackError, tailOf, type Outcome } from '@seckill/stack';
import type { Component } from './components.ts';
import { at } from './files.ts';
import { enter, FILES, FOLDER, NAME, NETWORK, readHolder, type Holder } from './place.ts';

const INIT_MS = 15_000;

/** What a killed node leaves is gone within this time. Processes of pods end first, then their groups. */
const GONE_MS = 30_000;

const CGROUPS = '/sys/fs/cgroup';

const logOf = (name: string): string => at(`logs/${name}.log`);

/** Starts the process that holds the node and lives on when we end. */
function startHolder(args: string[]): number {
  const log = openSync(logOf('init'), 'a');
  const child = spawn('unshare', args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  if (child.pid === undefined) throw new StackError('SECKILL_CLUSTER_START', 'unshare cannot be started');
  return child.pid;
}

/** The cgroup folders of the machine in which groups of processes are made. */
function hierarchies(): string[] {
  if (existsSync(join(CGROUPS, 'cgroup.procs'))) return [CGROUPS];
  return readdirSync(CGROUPS)
    .map((name) => join(CGROUPS, name))
    .filter((folder) => existsSync(join(folder, 'cgroup.procs')));
}

/**
 * Makes the node's group everywhere, with as much weight as a node has that is all of a machine. A new group
 * weighs as much as one process, and a kubelet sets the weight of the groups below alone.
 */
function makeGroups(): void {
  for (const folder of hierarchies()) {
    mkdirSync(join(folder, NAME), { recursive: true });
    const shares = join(folder, NAME, 'cpu.shares');
    if (existsSync(shares)) writeFileSync(shares, String(1024 * cpus().length));
  }
}

function removeGroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(folder, entry.name));
  rmdirSync(folder);
}

function tryRemoveGroups(): boolean {
  try {
    for (const folder of hierarchies().map((one) => join(one, NAME)))
      if (existsSync(folder)) removeGroup(folder);
    return true;
  } catch {
    // A process of the group still lives.
    return false;
  }
}

async function until(ms: number, isDone: () => boolean): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    if (isDone()) return true;
    await sleep(50);
  }
  return isDone();
}

/** @throws StackError with the last words of the node's first process. */
export async function startNode(): Promise<Holder> {
  makeGroups();
  const kinds = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc'];
  const init = ['sh', join(FILES, 'init.sh'), FOLDER, NETWORK.node];
  const pid = startHolder([...kinds, ...init]);
  writeFileSync(at('owner.json'), JSON.stringify(ownerOf(pid)), { mode: 0o600 });
  const isReady = await until(INIT_MS, () => existsSync(at('init-ready')));
  const children = isReady ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() : '';
  if (children === '') {
    const words = tailOf(readFileSync(logOf('init'), 'utf8'));
    throw new StackError('SECKILL_CLUSTER_START', `the namespaces of the node are not ready:\n${words}`);
  }
  const holder = { pid, init: Number(children) };
  writeFileSync(at('holder.json'), JSON.stringify(holder), { mode: 0o600 });
  return holder;
}

/** Runs a program inside the node to its end. */
export function runInside(
  holder: Holder,
  command: string[],
  timeoutMs: number,
  stdin?: string,
): Promise<Outcome> {
  const [program, ...args] = [...enter(holder), '--', ...command];
  return run(program, args, { timeoutMs, ...(stdin === undefined ? {} : { stdin }) });
}

/** The first process of the node is the parent of what is started so, nobody outside is. */
const APART = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &';

/** Starts a program of the node. The program ends with the node, and its words go to a log of its own. */
export async function startComponent(holder: Holder, { name, command }: Component): Promise<void> {
  const { ok, stderr } = await runInside(holder, ['sh', '-c', APART, name, logOf(name), ...command], INIT_MS);
  if (!ok) throw new StackError('SECKILL_CLUSTER_START', `${name} cannot be started:\n${tailOf(stderr)}`);
}

/** The last lines of one component's log. */
export function lastWords(name: string): string {
  return existsSync(logOf(name)) ? tailOf(readFileSync(logOf(name), 'utf8'), 5) : '';
}

/**
 * Ends the node, if there is one, and removes what is left: its cgroups and its files, but not its logs.
 * @returns whether there was a node.
 */
export async function stopNode(): Promise<boolean> {
  const owner = readOwner(at('owner.json'));
  const isRunning = owner !== undefined && isAlive(owner);
  // Nobody else could have started one.
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  if (isRunning) {
    const init = readHolder()?.init;
    // The kernel kills every process of the node with its first one.
    process.kill(init ?? owner.pid, 'SIGKILL');
    await until(GONE_MS, () => !isAlive(owner));
  }
  if (!(await until(GONE_MS, tryRemoveGroups)))
    throw new StackError('SECKILL_CLUSTER_STOP', `${CGROUPS}/*/${NAME} still has processes`);
  if (!existsSync(FOLDER)) return isRunning;
  for (const entry of readdirSync(FOLDER)) {
    if (entry === 'logs' || entry === 'pod-logs') continue;
    rmSync(join(FOLDER, entry), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
  return isRunning;
}
