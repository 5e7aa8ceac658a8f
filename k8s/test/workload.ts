/** The parts of a workload that rules look at. */
import type { Resource } from './render.ts';

export interface Container {
  name: string;
  image: string;
  imagePullPolicy?: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: unknown }[];
  ports?: { name: string; containerPort: number }[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { drop?: string[]; add?: string[] };
  };
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
}

export interface Probe {
  httpGet?: { path: string; port: string };
}

export interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  priorityClassName?: string;
  terminationGracePeriodSeconds?: number;
  securityContext?: {
    runAsNonRoot?: boolean;
    runAsUser?: number;
    runAsGroup?: number;
    seccompProfile?: { type: string };
  };
  affinity?: {
    podAntiAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { topologyKey: string }[] };
  };
  topologySpreadConstraints?: { topologyKey: string }[];
  containers: Container[];
  volumes?: { name: string; projected?: { defaultMode?: number; sources: Source[] } }[];
}

interface Source {
  secret?: { name: string; items?: { key: string; path: string }[] };
}

export interface Workload {
  kind: string;
  name: string;
  labels: Record<string, string>;
  replicas: number | undefined;
  strategy: { rollingUpdate?: { maxUnavailable?: number | string } } | undefined;
  pod: PodSpec;
  main: Container;
}

interface WorkloadSpec {
  replicas?: number;
  strategy?: Workload['strategy'];
  template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
}

/** Deployments, StatefulSets and Jobs of a rendering. */
export function workloadsOf(resources: Resource[]): Workload[] {
  return resources
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
    .map((resource) => {
      const { replicas, strategy, template } = resource['spec'] as WorkloadSpec;
      const [main] = template.spec.containers;
      if (main === undefined) throw new Error(`${resource.metadata.name} has no container`);
      return {
        kind: resource.kind,
        name: resource.metadata.name,
        labels: template.metadata.labels,
        replicas,
        strategy,
        pod: template.spec,
        main,
      };
    });
}

interface StatefulSpec {
  volumeClaimTemplates?: { metadata: { name: string } }[];
}

/**
 * Makes what the controllers would make: one Pod of each workload, with the volumes that a StatefulSet adds.
 */
export function podsOf(resources: Resource[]): Resource[] {
  return workloadsOf(resources).map(({ kind, name, labels, pod }) => {
    const owner = resources.find((one) => one.kind === kind && one.metadata.name === name);
    const claims = ((owner?.['spec'] as StatefulSpec).volumeClaimTemplates ?? []).map(({ metadata }) => ({
      name: metadata.name,
      persistentVolumeClaim: { claimName: `${metadata.name}-${name}-0` },
    }));
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `${name}-0`, namespace: 'seckill', labels },
      spec: { ...pod, volumes: [...(pod.volumes ?? []), ...claims] },
    };
  });
}

/**
 * Variables of the container, with those of its config map. A variable for a secret holds the name of a file.
 */
export function variablesOf({ main }: Workload, resources: Resource[]): Map<string, string> {
  const maps = (main.envFrom ?? []).map(({ configMapRef }) => configMapRef?.name);
  const fromMaps = resources
    .filter(({ kind, metadata }) => kind === 'ConfigMap' && maps.includes(metadata.name))
    .flatMap((map) => Object.entries(map['data'] as Record<string, string>));
  return new Map([...fromMaps, ...(main.env ?? []).map(({ name, value }) => [name, value ?? ''] as const)]);
}

/** Reads `512Mi` as 512. */
export function mebibytes(quantity: string | undefined): number {
  const [, number = 'NaN', unit] = /^(\d+)(Mi|Gi)$/.exec(quantity ?? '') ?? [];
  return Number(number) * (unit === 'Gi' ? 1024 : 1);
}

export const matches = (selector: Record<string, string>, labels: Record<string, string>): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);
