/** The command of `npm run k8s:cluster`, and what a node may leave on the machine. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from '@seckill/stack';
import type { Outcome } from '@seckill/stack';
import type { Test } from 'tap';

const COMMAND = join(ROOT, 'scripts/image/dist/cluster/command.js');

/** How `up` begins to tell why this machine runs no node. */
export const FORBIDDEN = 'no Kubernetes node can run on this machine: ';

/** A first start builds Kubernetes' node, which takes 15 minutes on two busy cores. */
const CALL_MS = 60 * 60_000;

/** Calls the command. `through` are words before it, such as a program that takes rights away. */
export function cluster(args: string[], through: string[] = [], stdin?: string): Promise<Outcome> {
  const [program = process.execPath, ...words] = [...through, process.execPath, COMMAND, ...args];
  return run(program, words, { timeoutMs: CALL_MS, ...(stdin === undefined ? {} : { stdin }) });
}

/**
 * Starts the cluster for a file of tests, and ends it with them.
 * @returns false where this machine can run none, which a skipped test of this title tells.
 * @throws Error when it cannot be started: a cluster that somebody runs stays theirs.
 */
export async function startCluster(t: Test, title: string): Promise<boolean> {
  const { ok, stderr } = await cluster(['up']);
  if (!ok && stderr.includes(FORBIDDEN)) {
    const skip = stderr.slice(stderr.indexOf(FORBIDDEN)).trim();
    await t.test(title, { skip }, () => undefined);
    return false;
  }
  if (!ok) throw new Error(stderr);
  t.teardown(() => cluster(['down']));
  return true;
}

const SETTINGS = ['vm/overcommit_memory', 'kernel/panic', 'kernel/panic_on_oops', 'kernel/keys/root_maxkeys'];

const PLACES = [
  '/opt/containerd',
  '/usr/libexec/kubernetes',
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/run/containerd',
  '/var/log/pods',
  '/var/log/containers',
];

async function linesOf(program: string, ...args: string[]): Promise<string[]> {
  return (await run(program, args, { timeoutMs: 10_000 })).stdout.split('\n').filter((line) => line !== '');
}

/** The ids of living processes of this checkout's node. */
function programs(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${ROOT}.run/k8s.cluster`)
      );
    } catch {
      return false;
    }
  });
}

/** What a node would change on a machine that does not keep it apart. */
export async function traces(): Promise<Record<string, string[]>> {
  // Version 2 of cgroups has one hierarchy, and version 1 a folder for each.
  const hierarchies = ['', ...readdirSync('/sys/fs/cgroup')];
  const groups = hierarchies.map((name) => join('/sys/fs/cgroup', name, 'seckill-cluster'));
  return {
    cards: (await linesOf('ip', '-o', 'link')).map((line) => line.split(': ')[1] ?? ''),
    routes: await linesOf('ip', 'route'),
    rules: await linesOf('nft', 'list', 'ruleset'),
    settings: SETTINGS.map((name) => readFileSync(join('/proc/sys', name), 'utf8').trim()),
    forwarding: [readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()],
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes('k8s.cluster')),
    groups: groups.filter((folder) => existsSync(folder)),
    places: PLACES.filter((folder) => existsSync(folder)),
    programs: programs(),
  };
}
