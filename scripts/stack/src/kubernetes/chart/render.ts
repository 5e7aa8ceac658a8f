/** What kustomize renders of the base: alone, and with each component. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { StackError } from '../../errors.ts';
import { run, tailOf } from '../../machine/programs.ts';
import { ROOT } from '../../names.ts';
import type { Fields } from './tree.ts';

export interface Resource extends Fields {
  kind: string;
  metadata: { name: string } & Fields;
}

export const titleOf = ({ kind, metadata }: Resource): string => `${kind} ${metadata.name}`;

export interface Rendering {
  base: Resource[];
  /** By the name of the component, in the order of {@link listComponents}. */
  components: Map<string, Resource[]>;
}

const KUSTOMIZE_MS = 60_000;

/**
 * Names of the components, in the order in which the chart applies them: as overlays/production lists them,
 * then the others. Another order would differ in nothing but the order of secrets in a volume.
 */
export function listComponents(): string[] {
  const file = join(ROOT, 'k8s/overlays/production/kustomization.yaml');
  const { components } = parse(readFileSync(file, 'utf8')) as { components: string[] };
  const listed = components.map((path) => path.split('/').at(-1) ?? '');
  const all = readdirSync(join(ROOT, 'k8s/components')).sort();
  return [...listed, ...all.filter((name) => !listed.includes(name))];
}

async function render(kubectl: string, folder: string, components: string[]): Promise<Resource[]> {
  const target = join(folder, components.join() || 'alone');
  mkdirSync(target);
  const kustomization = {
    resources: ['../base'],
    components: components.map((name) => `../components/${name}`),
    namespace: 'seckill',
  };
  writeFileSync(join(target, 'kustomization.yaml'), stringify(kustomization));
  const { ok, stdout, stderr } = await run(kubectl, ['kustomize', target], { timeoutMs: KUSTOMIZE_MS });
  if (!ok)
    throw new StackError('SECKILL_STACK_CHART', `kustomize cannot render k8s/base:\n${tailOf(stderr)}`);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Resource);
}

/** @throws StackError with kustomize's words */
export async function renderManifests(kubectl: string): Promise<Rendering> {
  // kustomize takes no folder by an absolute path, so its own kustomization must lie beside the manifests.
  const folder = mkdtempSync(join(tmpdir(), 'seckill-chart-'));
  try {
    for (const part of ['base', 'components'])
      cpSync(join(ROOT, 'k8s', part), join(folder, part), { recursive: true });
    const components = new Map<string, Resource[]>();
    for (const name of listComponents()) components.set(name, await render(kubectl, folder, [name]));
    return { base: await render(kubectl, folder, []), components };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
