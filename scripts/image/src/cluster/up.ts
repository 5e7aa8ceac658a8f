/** Starts the cluster: what it is made of comes from the cache, the node starts, its names are served. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findKubernetesTools,
  ROOT,
  StackError,
  tailOf,
  tryClaimFile,
  withProgress,
  type Log,
} from '@seckill/stack';
import { findBuilder } from '../builder.ts';
import { componentsOf } from './components.ts';
import { at, writeFiles } from './files.ts';
import { engineArchives, nodeArchives, serviceArchive, type Archive } from './images.ts';
import { whyNot } from './machine.ts';
import { lastWords, runInside, startComponent, startNode, stopNode } from './node.ts';
import { FILES, FOLDER, NODE, readHolder, SOCKET, type Holder } from './place.ts';
import { fetchPrograms, type NodePrograms } from './programs.ts';

/** On two cores with a load of ten the API server took 10 s and the node 12 s more. */
const READY_MS = 180_000;

const CALL_MS = 60_000;

const IMPORT_MS = 5 * 60_000;

/** Who starts a cluster holds this file until it runs. */
const CLAIM = join(ROOT, '.run/k8s.claim');

const NO_BUILDER = 'there is no running Docker and no buildah (Debian: apt-get install buildah)';

export interface Cluster {
  holder: Holder;
  kubectl: string;
}

/** Runs the real kubectl as an administrator of the cluster. */
export async function callKubectl(
  { holder, kubectl }: Cluster,
  args: string[],
  ms = CALL_MS,
): Promise<string> {
  const command = [kubectl, `--kubeconfig=${at('admin.conf')}`, ...args];
  const { ok, stdout, stderr } = await runInside(holder, command, ms);
  if (ok) return stdout;
  throw new StackError('SECKILL_CLUSTER_START', `kubectl ${args.join(' ')}: ${tailOf(stderr)}`);
}

/** Asks until `ask` has an answer. @throws StackError with the last refusal and the component's log. */
async function untilAnswer(what: string, component: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_MS;
  let refusal = '';
  while (performance.now() < deadline) {
    try {
      if (await ask()) return;
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error);
    }
    await sleep(300);
  }
  const words = [refusal, lastWords(component)].filter((text) => text !== '').join('\n');
  throw new StackError('SECKILL_CLUSTER_START', `${what} after ${READY_MS / 1000} s:\n${words}`);
}

/** Takes images into the node. The archives lie in the cache, where the node sees them too. */
async function importImages(holder: Holder, archives: Archive[]): Promise<void> {
  const images = ['ctr', `--address=${SOCKET}`, '--namespace=k8s.io', 'images'];
  const call = async (...words: string[]): Promise<void> => {
    const { ok, stdout, stderr } = await runInside(holder, [...images, ...words], IMPORT_MS);
    if (!ok) throw new StackError('SECKILL_CLUSTER_START', `${words.join(' ')}: ${tailOf(stdout + stderr)}`);
  };
  for (const { file, image, name } of archives) {
    await call('import', file);
    if (name !== undefined) await call('tag', '--force', image, name);
  }
}

async function startAll(
  programs: NodePrograms,
  archives: Archive[],
  kubectl: string,
  log: Log,
): Promise<Cluster> {
  const holder = await startNode();
  const cluster = { holder, kubectl };
  const components = componentsOf(programs);
  const start = async (...names: string[]): Promise<void> => {
    for (const one of components.filter(({ name }) => names.includes(name)))
      await startComponent(holder, one);
  };
  await start('containerd', 'etcd', 'kube-apiserver');
  const info = ['ctr', `--address=${SOCKET}`, 'version'];
  await untilAnswer(
    'containerd does not answer',
    'containerd',
    async () => (await runInside(holder, info, CALL_MS)).ok,
  );
  await withProgress('importing images', log, importImages(holder, archives));
  const ready = untilAnswer('the API server is not ready', 'kube-apiserver', async () =>
    (await callKubectl(cluster, ['get', '--raw', '/readyz'])).includes('ok'),
  );
  await withProgress('waiting for the API server', log, ready);
  await start('kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy');
  for (const file of ['storage.yaml', 'coredns.yaml'])
    await callKubectl(cluster, ['apply', '--server-side', '-f', join(FILES, file)]);
  const path = '{.status.conditions[?(@.type=="Ready")].status}';
  const node = untilAnswer('the node is not ready', 'kubelet', async () =>
    (await callKubectl(cluster, ['get', 'node', NODE, '-o', `jsonpath=${path}`])).includes('True'),
  );
  await withProgress('waiting for the node', log, node);
  const names = untilAnswer('CoreDNS is not ready', 'kubelet', async () => {
    const ready = 'jsonpath={.status.readyReplicas}';
    return (
      (await callKubectl(cluster, ['get', 'deployment', 'coredns', '-n', 'kube-system', '-o', ready])) === '1'
    );
  });
  await withProgress('waiting for CoreDNS', log, names);
  return cluster;
}

/**
 * Takes the images of k8s/overlays/local into the running cluster.
 * @throws StackError when there is no cluster, or no image of the services.
 */
export async function load(log: Log): Promise<void> {
  const holder = readHolder();
  if (holder === undefined)
    throw new StackError('SECKILL_CLUSTER_NONE', 'there is no cluster; `up` starts one');
  const builder = await findBuilder(log);
  if (builder === undefined) throw new StackError('SECKILL_IMAGE_BUILDER', NO_BUILDER);
  const archives = [...(await engineArchives(builder, log)), await serviceArchive(builder)];
  await withProgress('importing images', log, importImages(holder, archives));
}

/**
 * Starts the cluster. @throws StackError in one sentence where this machine cannot run a node, and with the
 * last words of what did not come up. Nothing is left then.
 */
export async function up(log: Log): Promise<Cluster> {
  if (readHolder() !== undefined)
    throw new StackError('SECKILL_CLUSTER_RUNS', 'the cluster is already running; `down` ends it');
  const reason = await whyNot(log);
  if (reason !== undefined)
    throw new StackError('SECKILL_CLUSTER_MACHINE', `no Kubernetes node can run on this machine: ${reason}`);
  const release = tryClaimFile(CLAIM);
  if (release === undefined)
    throw new StackError('SECKILL_CLUSTER_RUNS', 'the cluster is being started already');
  try {
    return await make(log);
  } finally {
    release();
  }
}

async function make(log: Log): Promise<Cluster> {
  const programs = await fetchPrograms(log);
  const { kubectl } = await findKubernetesTools();
  const builder = await findBuilder(log);
  if (builder === undefined) throw new StackError('SECKILL_IMAGE_BUILDER', NO_BUILDER);
  const archives = await nodeArchives(builder, programs.coredns);
  await stopNode();
  if (existsSync(FOLDER)) rmSync(FOLDER, { recursive: true });
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  await writeFiles();
  try {
    return await startAll(programs, archives, kubectl, log);
  } catch (error) {
    await stopNode();
    throw error;
  }
}
