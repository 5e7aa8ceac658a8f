/** What `kubectl apply -k` would send: every overlay, and the base with lists of components. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run, tailOf } from '@seckill/stack';
import { parseAllDocuments } from 'yaml';

export interface Resource {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  // Fields are read by paths, because the shape was checked against the schemas before.
  [field: string]: unknown;
}

export interface Rendered {
  name: string;
  text: string;
  resources: Resource[];
}

/** Components that exclude each other. Two of a line are two answers to one question. */
export const ALTERNATIVES = [
  ['gateway-api', 'ingress'],
  ['kafka-single', 'strimzi'],
  ['postgres-single', 'cloudnative-pg'],
  ['redis', 'redis-cluster'],
];

const SECRET_KEYS = [
  ...['CONTACT_KEY', 'DATABASE_URL', 'GATEWAY_TOKEN', 'JWT_SECRET', 'ORDER_TOKEN', 'POSTGRES_PASSWORD'],
  ...['REDIS_PASSWORD', 'REDIS_URL', 'STOCK_TOKEN', 'WEBHOOK_SECRETS'],
];

export const COMPONENTS = readdirSync(join(ROOT, 'k8s/components')).sort();

/** A copy, so that the secrets of a developer's own `npm run secrets` are neither needed nor read. */
export function copyManifests(): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-k8s-'));
  for (const part of ['base', 'components', 'overlays']) {
    cpSync(join(ROOT, 'k8s', part), join(folder, part), {
      recursive: true,
      filter: (file) => !file.endsWith('secrets.env'),
    });
  }
  const lines = SECRET_KEYS.map((key) => `${key}=only-for-rendering\n`).join('');
  writeFileSync(join(folder, 'overlays/local/secrets.env'), lines);
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

export function parseResources(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Resource);
}

async function render(kubectl: string, name: string, folder: string): Promise<Rendered> {
  const { ok, stdout, stderr } = await run(kubectl, ['kustomize', folder], { timeoutMs: 60_000 });
  if (!ok) throw new Error(`${name} cannot be rendered:\n${tailOf(stderr)}`);
  return { name, text: stdout, resources: parseResources(stdout) };
}

function mayStandTogether(one: string, other: string): boolean {
  return !ALTERNATIVES.some((line) => line.includes(one) && line.includes(other));
}

/** Lists of components over the base: none, each, and every pair that may stand together. */
export function combinations(): string[][] {
  const pairs = COMPONENTS.flatMap((one, index) =>
    COMPONENTS.slice(index + 1)
      .filter((other) => mayStandTogether(one, other))
      .map((other) => [one, other]),
  );
  return [[], ...COMPONENTS.map((name) => [name]), ...pairs];
}

function writeCombination(folder: string, components: string[]): string {
  const target = join(folder, 'combinations', components.join('+') || 'base');
  mkdirSync(target, { recursive: true });
  const lines = components.map((name) => `  - ../../components/${name}\n`).join('');
  const list = components.length === 0 ? '' : `components:\n${lines}`;
  writeFileSync(
    join(target, 'kustomization.yaml'),
    `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: seckill\nresources: [../../base]\n${list}`,
  );
  return target;
}

/** @throws Error naming the combination that kustomize refuses. */
export async function renderAll(
  kubectl: string,
  folder: string,
  lists: string[][],
): Promise<{ overlays: Rendered[]; all: Rendered[] }> {
  const overlays: Rendered[] = [];
  for (const name of readdirSync(join(folder, 'overlays'))) {
    overlays.push(await render(kubectl, `overlay ${name}`, join(folder, 'overlays', name)));
  }
  const others: Rendered[] = [];
  for (const components of lists) {
    const name = components.length === 0 ? 'base' : `base with ${components.join(' and ')}`;
    others.push(await render(kubectl, name, writeCombination(folder, components)));
  }
  return { overlays, all: [...overlays, ...others] };
}
