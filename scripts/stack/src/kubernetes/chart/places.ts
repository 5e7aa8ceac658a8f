/** Where values of the chart stand in the manifests' place. */
import { StackError } from '../../errors.ts';
import { variablesHash } from './config-maps.ts';
import type { Resource } from './render.ts';
import { Expression, isFields, type Fields, type Value } from './tree.ts';

/** The images of the manifests, by the name of the value that replaces each. */
const IMAGES: Record<string, RegExp> = {
  seckill: /^seckill$/,
  redis: /^valkey\/valkey:/,
  kafka: /^apache\/kafka:/,
  postgres: /^postgres:/,
  cloudnativePg: /^ghcr\.io\/cloudnative-pg\/postgresql:/,
};

const value = (path: string): Expression => new Expression(`{{ .Values.${path} | quote }}`);

function imageOf(image: string): Value {
  const [name] = Object.entries(IMAGES).find(([, pattern]) => pattern.test(image)) ?? [];
  if (name === undefined)
    throw new StackError('SECKILL_STACK_CHART', `the chart has no value for the image ${image}`);
  return value(`images.${name}`);
}

type Visit = (key: string, inner: Value) => Value;

/** A copy, in which `visit` gives the value of each field, and of those within. */
function replace(whole: Value, visit: Visit): Value {
  if (Array.isArray(whole)) return whole.map((element) => replace(element, visit));
  if (!isFields(whole)) return whole;
  return Object.fromEntries(
    Object.entries(whole).map(([key, inner]) => [key, replace(visit(key, inner), visit)]),
  );
}

/** Other namespaces, as policies name them, and the values that name those that vary. */
const NAMESPACES: Record<string, Expression> = {
  'ingress-nginx': value('ingress.namespace'),
  'gateway-system': value('gatewayApi.namespace'),
};

/** Fields that mean the same wherever they stand. */
const everywhere: Visit = (key, inner) => {
  if (typeof inner === 'string') {
    if (key === 'image' || key === 'imageName') return imageOf(inner);
    if (key === 'kubernetes.io/metadata.name') return NAMESPACES[inner] ?? inner;
    if (key === 'name' && inner === 'postgres-backup') return value('secrets.backup');
  }
  // A volume's secret, which the manifests call `seckill`; operators name theirs by themselves.
  if (key === 'secret' && isFields(inner) && inner['name'] === 'seckill')
    return { ...inner, name: value('secrets.name') };
  return inner;
};

/** A copy with one more or another value at a path of keys; a number is an index. */
function put(whole: Value, [key, ...rest]: (string | number)[], placed: Value): Value {
  if (key === undefined) return placed;
  if (Array.isArray(whole)) return whole.map((one, index) => (index === key ? put(one, rest, placed) : one));
  if (!isFields(whole)) throw new StackError('SECKILL_STACK_CHART', `there is no ${key} in the manifest`);
  return { ...whole, [key]: put(whole[key], rest, placed) };
}

type Place = [path: (string | number)[], placed: Value];

const quantity = (list: string, { metadata }: Resource): Expression =>
  new Expression(`{{ index .Values.${list} "${metadata.name}" }}`);

const scaled = (field: string, { metadata }: Resource): Expression =>
  new Expression(`{{ (index .Values.autoscaling "${metadata.name}").${field} }}`);

/** A line of JSON is YAML wherever it stands, whatever its indentation. */
const json = (path: string): Expression => new Expression(`{{ toJson ${path} }}`);

/** `text` is that of one element, a line of JSON, for the element `.` of the list at the path. */
const each = (path: string, text: string): string => `{{- range ${path} }}\n- ${text}\n{{- end }}`;

function placesOfScaledObject(resource: Resource): Place[] {
  const { triggers } = resource['spec'] as { triggers: { type: string }[] };
  const bounds: Place[] = [
    [['spec', 'minReplicaCount'], scaled('min', resource)],
    [['spec', 'maxReplicaCount'], scaled('max', resource)],
  ];
  if (triggers.every(({ type }) => type !== 'cron')) return bounds;
  const calendar = `(index .Values.autoscaling "${resource.metadata.name}").calendar`;
  const others = triggers.filter(({ type }) => type !== 'cron').map((one) => `- ${JSON.stringify(one)}`);
  const lines = [each(calendar, '{"type":"cron","metadata":{{ toJson . }}}'), ...others];
  return [...bounds, [['spec', 'triggers'], new Expression(lines.join('\n'))]];
}

function placesOfIngress(resource: Resource): Place[] {
  const { rules } = resource['spec'] as { rules: { http: unknown }[] };
  const rule = `{"host":{{ toJson . }},"http":${JSON.stringify(rules[0]?.http)}}`;
  return [
    [['spec', 'ingressClassName'], value('ingress.className')],
    [['spec', 'tls', 0, 'hosts'], json('.Values.hosts')],
    [['spec', 'tls', 0, 'secretName'], value('secrets.tls')],
    [['spec', 'rules'], new Expression(each('.Values.hosts', rule))],
  ];
}

function placesOfExternalSecret(resource: Resource): Place[] {
  const { data } = resource['spec'] as { data: unknown[] };
  return [
    [['spec', 'secretStoreRef', 'name'], value('secrets.store.name')],
    [['spec', 'secretStoreRef', 'kind'], value('secrets.store.kind')],
    [['spec', 'target', 'name'], value('secrets.name')],
    ...data.map((_one, index): Place => [
      ['spec', 'data', index, 'remoteRef', 'key'],
      value('secrets.store.key'),
    ]),
  ];
}

const REPLICAS = ['spec', 'replicas'];

/**
 * Carried by pods. The map itself has one name for all revisions: Helm would delete an old one while pods of
 * the revision before may still start with it, and one that is kept makes `helm rollback` fail.
 */
const HASH = 'seckill/variables';

/** The config map of a Deployment's variables. */
function mapOf({ spec, metadata }: Resource): string {
  const { template } = spec as unknown as {
    template: { spec: { containers: { envFrom?: { configMapRef: { name: string } }[] }[] } };
  };
  const name = template.spec.containers[0]?.envFrom?.[0]?.configMapRef.name;
  if (name === undefined)
    throw new StackError('SECKILL_STACK_CHART', `Deployment ${metadata.name} has no config map of variables`);
  return name;
}

const cpuOf = ({ metadata }: Resource): Place => [
  ['spec', 'template', 'spec', 'containers', 0, 'resources', 'requests', 'cpu'],
  new Expression(`{{ index .Values.cpu "${metadata.name}" | quote }}`),
];

/** Values of each kind, beside those that stand everywhere. */
const KINDS: Record<string, (resource: Resource) => Place[]> = {
  Deployment: (resource) => [
    [['spec', 'template', 'metadata', 'annotations'], { [HASH]: variablesHash(mapOf(resource)) }],
    // Components that scale by themselves take the number of replicas away.
    ...('replicas' in (resource['spec'] as Fields)
      ? [[REPLICAS, quantity('replicas', resource)] satisfies Place]
      : []),
    cpuOf(resource),
  ],
  StatefulSet: (resource) => [cpuOf(resource)],
  ScaledObject: placesOfScaledObject,
  HorizontalPodAutoscaler: (resource) => [
    [['spec', 'minReplicas'], scaled('min', resource)],
    [['spec', 'maxReplicas'], scaled('max', resource)],
  ],
  Ingress: placesOfIngress,
  HTTPRoute: () => [
    [['spec', 'hostnames'], json('.Values.hosts')],
    [['spec', 'parentRefs', 0, 'name'], value('gatewayApi.name')],
    [['spec', 'parentRefs', 0, 'namespace'], value('gatewayApi.namespace')],
  ],
  ExternalSecret: placesOfExternalSecret,
  Cluster: () => [[['spec', 'backup', 'barmanObjectStore', 'destinationPath'], value('backups.destination')]],
  // A job cannot be changed, so each revision of a release has jobs of its own.
  Job: ({ metadata }) => [[['metadata', 'name'], new Expression(`${metadata.name}-{{ .Release.Revision }}`)]],
};

/**
 * Kinds that hold what was sold. Neither the end of a release nor another choice of components deletes them.
 */
const KEPT = ['Cluster', 'Kafka', 'KafkaNodePool', 'KafkaTopic'];

const KEEP = 'helm.sh/resource-policy';

export function placeValues(resource: Resource): Resource {
  const places = KINDS[resource.kind]?.(resource) ?? [];
  if (resource.metadata['namespace'] !== undefined)
    places.push([['metadata', 'namespace'], new Expression('{{ .Release.Namespace }}')]);
  if (KEPT.includes(resource.kind))
    places.push([
      ['metadata', 'annotations'],
      { ...(resource.metadata['annotations'] as Fields), [KEEP]: 'keep' },
    ]);
  const placed = places.reduce<Value>((whole, [path, one]) => put(whole, path, one), resource);
  return replace(placed, everywhere) as Resource;
}
