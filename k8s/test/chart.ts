/** The chart as `npm run chart` packs it, what Helm renders of it, and what kustomize renders instead. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run, tailOf } from '@seckill/stack';
import type { KubernetesTools, Outcome } from '@seckill/stack';
import { stringify } from 'yaml';
import type { Choice } from './choices.ts';
import { parseResources, type Resource } from './render.ts';
import { titleOf } from './schema.ts';

const CALL_MS = 120_000;

/** Runs the command of the house. */
export const callChart = (...args: string[]): Promise<Outcome> =>
  run(process.execPath, [join(ROOT, 'scripts/stack/dist/kubernetes/chart-command.js'), ...args], {
    timeoutMs: CALL_MS,
  });

export interface Chart {
  /** The package. */
  file: string;
  /** A folder of its own, which `remove` removes. */
  folder: string;
  remove(): void;
}

/** @throws Error with the command's last words */
export async function packChart(): Promise<Chart> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-chart-test-'));
  const { ok, stdout, stderr } = await callChart('--out', folder);
  if (!ok) throw new Error(`npm run chart failed:\n${tailOf(stderr)}`);
  return {
    file: stdout.trim(),
    folder,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

/** Runs helm, with values from stdin where the call takes some. */
export const callHelm = (
  { helm }: KubernetesTools,
  args: string[],
  values: unknown,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Outcome> =>
  run(helm, values === undefined ? args : [...args, '--values', '-'], {
    timeoutMs: CALL_MS,
    stdin: values === undefined ? '' : stringify(values),
    env,
  });

/** What `helm template` renders of a choice. */
export async function templateChart(
  tools: KubernetesTools,
  { file }: Chart,
  { name, values, namespace }: Choice,
): Promise<Resource[]> {
  const args = ['template', 'seckill', file, '--namespace', namespace];
  const { ok, stdout, stderr } = await callHelm(tools, args, values);
  if (!ok) throw new Error(`helm cannot render ${name}:\n${tailOf(stderr)}`);
  return parseResources(stdout).filter((one) => typeof one === 'object');
}

/** What `kubectl apply -k` would send for the same choice. @param folder a copy of the manifests */
export async function kustomizeChoice(
  { kubectl }: KubernetesTools,
  folder: string,
  { name, overlay, namespace }: Choice,
): Promise<Resource[]> {
  const place = typeof overlay === 'string' ? overlay : 'chosen';
  const target = join(folder, 'overlays', place);
  if (typeof overlay !== 'string') {
    mkdirSync(target, { recursive: true });
    const kustomization = { namespace, resources: ['../../base'], ...overlay };
    writeFileSync(join(target, 'kustomization.yaml'), stringify(kustomization));
  }
  const { ok, stdout, stderr } = await run(kubectl, ['kustomize', target], { timeoutMs: CALL_MS });
  if (!ok) throw new Error(`kustomize cannot render ${name}:\n${tailOf(stderr)}`);
  return parseResources(stdout);
}

export const KEEP = 'helm.sh/resource-policy';

/** What pods carry of their variables. */
const HASH = 'seckill/variables';

interface Pod {
  metadata: { annotations?: Record<string, string> };
  spec: { containers: { envFrom?: { configMapRef: { name: string } }[] }[] };
}

function withoutAnnotation(metadata: Resource['metadata'], name: string): Resource['metadata'] {
  const { annotations, ...rest } = metadata;
  const others = Object.entries(annotations ?? {}).filter(([one]) => one !== name);
  return others.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(others) };
}

/** Puts the hash that pods carry behind the name of their config map, where kustomize has it. */
function moveHash(resource: Resource): Resource {
  const { template } = resource['spec'] as { template: Pod };
  const { [HASH]: hash, ...annotations } = template.metadata.annotations ?? {};
  if (Object.keys(annotations).length > 0) throw new Error('pods have annotations that no manifest has');
  delete template.metadata.annotations;
  const map = template.spec.containers[0]?.envFrom?.[0]?.configMapRef;
  if (map !== undefined) map.name = `${map.name}-${String(hash)}`;
  return resource;
}

/**
 * A resource of the chart as kustomize writes it. Three things are Helm's alone: jobs have the number of the
 * revision in their name, what must outlive the release says so, and the hash of variables is in the pods.
 */
export function asKustomize(resource: Resource): Resource {
  const metadata = withoutAnnotation(resource.metadata, KEEP);
  const own = { ...resource, metadata };
  if (own.kind === 'Deployment') return moveHash(own);
  if (own.kind !== 'Job') return own;
  return { ...own, metadata: { ...metadata, name: metadata.name.replace(/-1$/, '') } };
}

/** The other way round: maps of variables, and jobs that read them, have no hash with Helm. */
export function withoutHash(resource: Resource): Resource {
  if (!['ConfigMap', 'Job'].includes(resource.kind)) return resource;
  const text = JSON.stringify(resource);
  return JSON.parse(
    text.replace(/"name":"(gateway|stock|order|topics)-[a-z0-9]{10}"/g, '"name":"$1"'),
  ) as Resource;
}

/** By titles, because each tool has an order of its own. */
export const byTitle = (resources: Resource[]): Record<string, Resource> =>
  Object.fromEntries(
    resources
      .map((one): [string, Resource] => [titleOf(one), one])
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
