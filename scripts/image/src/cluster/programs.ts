/** The programs of Kubernetes' node and CoreDNS, built from their Go modules into the cache. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildApiServer,
  fillCache,
  findProgram,
  ROOT,
  run,
  StackError,
  tailOf,
  withProgress,
} from '@seckill/stack';
import type { Log } from '@seckill/stack';

/** All of it took 12 minutes on two busy cores. The cache takes a draft of an hour for abandoned. */
const BUILD_MS = 55 * 60_000;

/** What is built of which folder of k8s/tools, and how its go.mod calls it. */
const MODULES = {
  'kube-node': 'tool',
  coredns: '.',
} as const;

export interface NodePrograms {
  apiServer: string;
  etcd: string;
  kubelet: string;
  kubeProxy: string;
  controllers: string;
  scheduler: string;
  coredns: string;
}

async function build(go: string, name: keyof typeof MODULES, log: Log): Promise<string> {
  const folder = join(ROOT, 'k8s/tools', name);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, file)));
  return fillCache(`${name}-${hash.digest('hex').slice(0, 16)}`, async (draft) => {
    const target = name === 'coredns' ? join(draft, name) : `${draft}/`;
    const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', target, MODULES[name]];
    // CoreDNS is built without C, because its image has no library to load.
    const env = { ...process.env, ...(name === 'coredns' ? { CGO_ENABLED: '0' } : {}) };
    const task = run(go, args, { timeoutMs: BUILD_MS, cwd: folder, env });
    const { ok, stderr } = await withProgress(`building ${name}`, log, task);
    if (!ok) throw new StackError('SECKILL_STACK_INSTALL', `${name} cannot be built:\n${tailOf(stderr)}`);
  });
}

/** Builds what the cache lacks. @throws StackError without Go, or with Go's last words. */
export async function fetchPrograms(log: Log): Promise<NodePrograms> {
  const go = findProgram('go');
  if (go === undefined)
    throw new StackError('SECKILL_STACK_INSTALL', 'go is not in PATH; Go 1.25 or newer is needed');
  const [apiServer = '', etcd = ''] = await buildApiServer(log);
  const node = await build(go, 'kube-node', log);
  const dns = await build(go, 'coredns', log);
  return {
    apiServer,
    etcd,
    kubelet: join(node, 'kubelet'),
    kubeProxy: join(node, 'kube-proxy'),
    controllers: join(node, 'kube-controller-manager'),
    scheduler: join(node, 'kube-scheduler'),
    coredns: join(dns, 'coredns'),
  };
}
