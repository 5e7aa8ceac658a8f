/**
 * Runs a workload on this machine as a kubelet would, but without a container: its variables, its secrets as
 * files, its program.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, ROOT, startChild, untilServing, type Child } from '@seckill/stack';
import type { Resource } from './render.ts';
import { variablesOf, type Workload } from './workload.ts';

/** The folder at which the manifests mount secrets. */
const MOUNT = '/run/secrets/seckill';

export interface Node {
  folder: string;
  resources: Resource[];
  /** Secrets: by name, then by key. */
  secrets: Record<string, Record<string, string>>;
  /**
   * Addresses of this machine. These addresses replace the manifests' own variables in pods that have these
   * variables.
   */
  addresses: Record<string, string>;
  /** The port of a pod that others call. */
  ports: Record<string, number>;
}

export interface Pod {
  url: string;
  metricsUrl: string;
  child: Child;
  env: Record<string, string>;
  log(): string;
}

/** @throws Error when a secret or a key is not there: such a pod never starts. */
function mountSecrets({ folder, secrets }: Node, { name, pod }: Workload): string {
  const target = join(folder, name);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  for (const { secret } of (pod.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? [])) {
    for (const { key, path } of secret?.items ?? []) {
      const value = secrets[secret?.name ?? '']?.[key];
      if (value === undefined) throw new Error(`${name}: no ${key} in the secret ${secret?.name ?? ''}`);
      writeFileSync(join(target, path), value, { mode: 0o600 });
    }
  }
  return target;
}

export async function environmentOf(node: Node, workload: Workload): Promise<Record<string, string>> {
  const mounted = mountSecrets(node, workload);
  const variables = [...variablesOf(workload, node.resources)].map(([name, value]) => [
    name,
    node.addresses[name] ?? value.replace(MOUNT, mounted),
  ]);
  const [port, metricsPort] = (await freePorts(2)) as [number, number];
  return {
    PATH: process.env['PATH'] ?? '',
    ...(Object.fromEntries(variables) as Record<string, string>),
    HOST: '127.0.0.1',
    PORT: String(node.ports[workload.name] ?? port),
    METRICS_PORT: String(metricsPort),
    DRAIN_MS: '0',
  };
}

export async function startPod(
  node: Node,
  workload: Workload,
  changes: Record<string, string> = {},
): Promise<Pod> {
  const env = { ...(await environmentOf(node, workload)), ...changes };
  const file = join(node.folder, `${workload.name}.log`);
  const child = await startChild({
    name: workload.name,
    command: process.execPath,
    args: [join(ROOT, workload.main.args?.[0] ?? '')],
    env,
    output: { file },
    stopMs: 15_000,
  });
  const url = `http://127.0.0.1:${env['PORT'] ?? ''}`;
  const metricsUrl = `http://127.0.0.1:${env['METRICS_PORT'] ?? ''}/metrics`;
  return { url, metricsUrl, child, env, log: () => readFileSync(file, 'utf8') };
}

/** @throws StackError with the tail of its log when it ends, or is not ready within a minute. */
export async function untilReady({ child, url }: Pod, { folder }: Node): Promise<void> {
  await untilServing(child, url, join(folder, `${child.name}.log`));
}
