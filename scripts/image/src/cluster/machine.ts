/** Whether this machine lets a node run: asked of its kernel by doing, once, what a node does. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, installPackages, run, type Log } from '@seckill/stack';
import { FOLDER } from './place.ts';

const TRIAL_MS = 30_000;

/** Programs of a node by Debian's package. */
const PACKAGES: Record<string, string> = {
  containerd: 'containerd',
  runc: 'runc',
  catatonit: 'catatonit',
  busybox: 'busybox-static',
  nft: 'nftables',
  ip: 'iproute2',
  nsenter: 'util-linux',
  openssl: 'openssl',
  buildah: 'buildah',
  // Kafka's jars, for its image. Debian's package brings a Java.
  mvn: 'maven',
};

/** The network plugins of containers stand outside PATH. */
export const CNI_FOLDER = '/usr/lib/cni';

/** Controllers without which no kubelet starts. */
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory'];

/** What a node does to the kernel, step by step. The step that fails prints what was refused. */
const TRIAL = `
set -e
try() { what=$1; shift; "$@" >/dev/null 2>&1 || { echo "$what"; exit 1; }; }
cd "$1"
mkdir lower upper work merged
try 'overlay mounts' mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
try 'pairs of virtual network cards (veth)' ip link add trial0 type veth peer name trial1
try 'bridges of network cards' ip link add trial2 type bridge
try 'cards on a bridge' ip link set trial0 master trial2
try 'forwarding of packets' sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
try 'rules for what crosses a bridge (br_netfilter)' sh -c 'echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables'
try 'rules that translate addresses (nftables)' nft -f - <<'RULES'
table ip trial {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain endpoint { meta l4proto tcp dnat to 10.0.0.1:80; }
  chain service { numgen random mod 1 vmap { 0 : goto endpoint }; }
  chain nat { type nat hook prerouting priority -100; fib daddr type local counter; ip daddr . meta l4proto . th dport vmap @services; }
  chain leave { type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
}
RULES
`;

/** The controllers that the kernel offers and that are mounted, whichever version of cgroups it is. */
function mountedControllers(): string[] {
  const unified = '/sys/fs/cgroup/cgroup.controllers';
  if (existsSync(unified)) {
    const found = readFileSync(unified, 'utf8').trim().split(' ');
    return found.includes('cpu') ? [...found, 'cpuacct'] : found;
  }
  return CONTROLLERS.filter((name) => existsSync(join('/sys/fs/cgroup', name, 'cgroup.procs')));
}

/** Installs what is missing where we may. */
async function missingPrograms(log: Log): Promise<string[]> {
  const lacks = (): string[] => [
    ...Object.keys(PACKAGES).filter((name) => findProgram(name) === undefined),
    ...(existsSync(join(CNI_FOLDER, 'bridge')) ? [] : ['containernetworking-plugins']),
  ];
  const missing = lacks();
  if (missing.length > 0)
    await installPackages(
      missing.map((name) => PACKAGES[name] ?? name),
      log,
    );
  return lacks();
}

/**
 * Why no node can run here, as the end of a sentence. The result is undefined when one can. What the trial
 * makes ends with it.
 */
export async function whyNot(log: Log): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a node needs Linux';
  if (process.getuid?.() !== 0) return 'a node needs root';
  const missing = await missingPrograms(log);
  if (missing.length > 0)
    return `${missing.join(', ')} cannot be had (apt-get on Debian as root installs it)`;
  if (findProgram('go') === undefined) return 'go is not in PATH; Go 1.25 or newer is needed';
  const found = mountedControllers();
  const lacking = CONTROLLERS.filter((name) => !found.includes(name));
  if (lacking.length > 0) return `the kernel does not offer the cgroup controllers ${lacking.join(', ')}`;
  const namespaces = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--mount-proc'];
  if (!(await run('unshare', [...namespaces, 'true'], { timeoutMs: TRIAL_MS })).ok)
    return 'the kernel refuses us namespaces';
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(FOLDER, 'trial-'));
  try {
    const trial = await run('unshare', [...namespaces, 'sh', '-c', TRIAL, 'trial', folder], {
      timeoutMs: TRIAL_MS,
    });
    if (trial.ok) return undefined;
    const step = trial.stdout.trim();
    return `the kernel refuses us ${step === '' ? `a trial: ${trial.stderr.trim()}` : step}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
