/**
 * Choices of an operator, told twice: as values of the chart, and as an overlay of kustomize that chooses the
 * same.
 */
export interface Choice {
  name: string;
  values: Record<string, unknown> & { components?: Record<string, boolean> };
  /** An overlay of k8s/overlays by its name, or the fields of a kustomization over the base. */
  overlay: string | Record<string, unknown>;
  namespace: string;
}

/** The order in which the chart applies components, which is that of overlays/production. */
const ORDER = ['gateway-states', 'strimzi', 'cloudnative-pg'];

const inOrder = (names: string[]): string[] =>
  [...names].sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));

const on = (names: string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, true]));

/** What the manifests say where the chart has no default. */
const AS_MANIFESTS = {
  images: { seckill: 'seckill:0.1.0' },
  secrets: { name: 'seckill' },
  hosts: ['sale.example.com'],
  backups: { destination: 's3://seckill-backups/postgres' },
};

const RELEASE = [{ name: 'seckill', newTag: '0.1.0' }];

const folders = (names: string[]): string[] => names.map((name) => `../../components/${name}`);

/** The base with a list of components. */
export const chooseComponents = (names: string[]): Choice => ({
  name: names.length === 0 ? 'the base' : `the base with ${names.join(' and ')}`,
  values: { ...AS_MANIFESTS, components: on(names) },
  overlay: { components: folders(inOrder(names)), images: RELEASE },
  namespace: 'seckill',
});

const WORKERS = [
  'stock-relay',
  'stock-settler',
  'stock-audit',
  'order-intake',
  'order-expiry',
  'order-relay',
];

const local: Choice = {
  name: 'the overlay local',
  values: {
    components: on(['redis', 'gateway-states', 'kafka-single', 'postgres-single']),
    images: { seckill: 'seckill:dev' },
    secrets: { name: 'seckill' },
    replicas: Object.fromEntries([...WORKERS, 'order-webhooks'].map((name) => [name, 1])),
    cpu: {
      ...Object.fromEntries(
        [...WORKERS, 'order-webhooks', 'gateway', 'stock-http', 'order-http'].map((name) => [name, '50m']),
      ),
      ...Object.fromEntries(['redis', 'kafka', 'postgres'].map((name) => [name, '250m'])),
    },
    variables: { gateway: { PAYMENTS: 'sandbox' }, order: { PAYMENTS: 'sandbox' } },
  },
  overlay: 'local',
  namespace: 'seckill',
};

export const production: Choice = {
  name: 'the overlay production',
  values: {
    ...AS_MANIFESTS,
    components: on([
      ...['redis', 'gateway-states', 'strimzi', 'cloudnative-pg', 'external-secrets', 'autoscaling'],
      ...['monitoring', 'ingress'],
    ]),
  },
  overlay: 'production',
  namespace: 'seckill',
};

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

/** A patch of kustomize: what stands at each path of the resources that match. */
const patch = (target: object, operations: [path: string, value: unknown][]): object => ({
  target,
  patch: JSON.stringify(operations.map(([path, value]) => ({ op: 'replace', path, value }))),
});

const rules = (hosts: string[]): object[] =>
  hosts.map((host) => ({
    host,
    http: {
      paths: [
        {
          path: '/',
          pathType: 'Prefix',
          backend: { service: { name: 'gateway', port: { name: 'http' } } },
        },
      ],
    },
  }));

const CALENDAR = [
  { timezone: 'Europe/Berlin', start: '0 9 1 12 *', end: '0 10 1 12 *', desiredReplicas: '9' },
  { timezone: 'Europe/Berlin', start: '0 9 2 12 *', end: '0 10 2 12 *', desiredReplicas: '3' },
];

const CPU = { type: 'cpu', metricType: 'Utilization', metadata: { value: '60' } };

const DATA = '/spec/data';

const store = Array.from({ length: 9 }, (_one, index): [string, unknown] => [
  `${DATA}/${index}/remoteRef/key`,
  'shop/seckill',
]);

const FROM = '/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name';

/** Everything that an operator names is another, with operators. */
const otherNames: Choice = {
  name: 'other names, hosts, images and numbers, with operators',
  values: {
    components: on(['strimzi', 'cloudnative-pg', 'external-secrets', 'autoscaling', 'ingress']),
    images: {
      seckill: `registry.example.com:5000/shop/seckill@${DIGEST}`,
      cloudnativePg: 'registry.example.com/pg:17.9',
    },
    secrets: {
      name: 'own-secret',
      tls: 'own-tls',
      backup: 'own-backup',
      store: { name: 'vault', kind: 'ClusterSecretStore', key: 'shop/seckill' },
    },
    hosts: ['shop.example.org', 'vip.example.org'],
    ingress: { className: 'internal', namespace: 'edge' },
    replicas: { 'order-relay': 3, 'stock-audit': 1 },
    cpu: { gateway: '1500m', 'order-relay': '0.5' },
    autoscaling: {
      gateway: { min: 3, max: 20, calendar: CALENDAR },
      'stock-http': { calendar: [] },
      'order-http': { max: 8 },
      'order-intake': { max: 6 },
    },
    backups: { destination: 's3://other/place' },
    variables: {
      gateway: { TRUST_PROXY: '10.0.0.0/8', LOG_LEVEL: 'debug', DOCS_BASE_URL: 'https://a.example/?b=<c>&d' },
      stock: { LOG_LEVEL: 'warn' },
      topics: { TOPICS_REPLICATION_FACTOR: '3' },
    },
  },
  overlay: {
    components: folders(['strimzi', 'cloudnative-pg', 'external-secrets', 'autoscaling', 'ingress']),
    images: [{ name: 'seckill', newName: 'registry.example.com:5000/shop/seckill', digest: DIGEST }],
    replicas: [
      { name: 'order-relay', count: 3 },
      { name: 'stock-audit', count: 1 },
    ],
    configMapGenerator: [
      {
        name: 'gateway',
        behavior: 'merge',
        literals: ['TRUST_PROXY=10.0.0.0/8', 'LOG_LEVEL=debug', 'DOCS_BASE_URL=https://a.example/?b=<c>&d'],
      },
      { name: 'stock', behavior: 'merge', literals: ['LOG_LEVEL=warn'] },
      { name: 'topics', behavior: 'merge', literals: ['TOPICS_REPLICATION_FACTOR=3'] },
    ],
    patches: [
      patch({ kind: 'Deployment' }, [
        ['/spec/template/spec/volumes/0/projected/sources/0/secret/name', 'own-secret'],
      ]),
      patch({ kind: 'Deployment', name: 'gateway' }, [
        ['/spec/template/spec/containers/0/resources/requests/cpu', '1500m'],
      ]),
      patch({ kind: 'Deployment', name: 'order-relay' }, [
        ['/spec/template/spec/containers/0/resources/requests/cpu', '0.5'],
      ]),
      patch({ kind: 'Cluster' }, [
        ['/spec/imageName', 'registry.example.com/pg:17.9'],
        ['/spec/backup/barmanObjectStore/destinationPath', 's3://other/place'],
        ['/spec/backup/barmanObjectStore/s3Credentials/accessKeyId/name', 'own-backup'],
        ['/spec/backup/barmanObjectStore/s3Credentials/secretAccessKey/name', 'own-backup'],
      ]),
      patch({ kind: 'ExternalSecret' }, [
        ['/spec/secretStoreRef', { name: 'vault', kind: 'ClusterSecretStore' }],
        ['/spec/target/name', 'own-secret'],
        ...store,
      ]),
      patch({ kind: 'Ingress' }, [
        ['/spec/ingressClassName', 'internal'],
        ['/spec/tls', [{ hosts: ['shop.example.org', 'vip.example.org'], secretName: 'own-tls' }]],
        ['/spec/rules', rules(['shop.example.org', 'vip.example.org'])],
      ]),
      patch({ kind: 'NetworkPolicy', name: 'gateway' }, [[FROM, 'edge']]),
      patch({ kind: 'ScaledObject', name: 'gateway' }, [
        ['/spec/minReplicaCount', 3],
        ['/spec/maxReplicaCount', 20],
        ['/spec/triggers', [...CALENDAR.map((metadata) => ({ type: 'cron', metadata })), CPU]],
      ]),
      patch({ kind: 'ScaledObject', name: 'stock-http' }, [['/spec/triggers', [CPU]]]),
      patch({ kind: 'HorizontalPodAutoscaler' }, [['/spec/maxReplicas', 8]]),
      patch({ kind: 'ScaledObject', name: 'order-intake' }, [['/spec/maxReplicaCount', 6]]),
    ],
  },
  namespace: 'seckill',
};

/** Where the secret is mounted, by kind, name and place of the volume. */
const MOUNTS: [string, string, number][] = [
  ['Deployment', '.*', 0],
  ['Job', 'migrate', 0],
  ['Job', 'redis-cluster-bootstrap', 1],
  ['StatefulSet', 'postgres', 0],
  ['StatefulSet', 'redis-cluster', 1],
];

/** The same with engines of the manifests, a Gateway, and another namespace. */
const ownEngines: Choice = {
  name: 'other images of engines, a Gateway, another namespace',
  values: {
    components: on(['redis-cluster', 'gateway-states', 'kafka-single', 'postgres-single', 'gateway-api']),
    images: {
      seckill: 'ghcr.io/shop/seckill:1.2.3',
      redis: `mirror/redis@${DIGEST}`,
      kafka: 'mirror/kafka:4.4.1',
      postgres: 'mirror:5000/postgres:18',
    },
    secrets: { name: 'other' },
    hosts: ['sale.example.net'],
    gatewayApi: { name: 'edge', namespace: 'edge-system' },
    replicas: { gateway: 5, 'order-intake': 12 },
  },
  overlay: {
    components: folders([
      'gateway-states',
      'kafka-single',
      'postgres-single',
      'redis-cluster',
      'gateway-api',
    ]),
    images: [
      { name: 'seckill', newName: 'ghcr.io/shop/seckill', newTag: '1.2.3' },
      { name: 'valkey/valkey', newName: 'mirror/redis', digest: DIGEST },
      { name: 'apache/kafka', newName: 'mirror/kafka', newTag: '4.4.1' },
      { name: 'postgres', newName: 'mirror:5000/postgres', newTag: '18' },
    ],
    replicas: [
      { name: 'gateway', count: 5 },
      { name: 'order-intake', count: 12 },
    ],
    patches: [
      ...MOUNTS.map(([kind, name, volume]) =>
        patch({ kind, name }, [
          [`/spec/template/spec/volumes/${volume}/projected/sources/0/secret/name`, 'other'],
        ]),
      ),
      patch({ kind: 'HTTPRoute' }, [
        ['/spec/hostnames', ['sale.example.net']],
        ['/spec/parentRefs/0', { name: 'edge', namespace: 'edge-system' }],
      ]),
      patch({ kind: 'NetworkPolicy', name: 'gateway' }, [[FROM, 'edge-system']]),
    ],
  },
  namespace: 'shop',
};

export const CHOICES: Choice[] = [local, production, otherNames, ownEngines];
