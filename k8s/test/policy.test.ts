/**
 * Goal: each rule of the house would notice its breach, and manifests agree with config.ts, compose and
 * documentation.
 * Method: renderings bent in one place, which the rule must tell; names read from where they are decided.
 * manifests.test.ts shows that the rules hold in every combination.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findKubernetesTools, ROOT } from '@seckill/stack';
import { test } from 'tap';
import { parse } from 'yaml';
import { PORTS, PROGRAMS, readCompose } from './expected.ts';
import { RULES } from './policy.ts';
import { copyManifests, parseResources, renderAll } from './render.ts';

const copy = copyManifests();
const { kubectl } = await findKubernetesTools();
const { overlays, all } = await renderAll(kubectl, copy.folder, [[], ['redis-cluster']]);
process.once('exit', () => {
  copy.remove();
});

/** Each rule, and what breaks it: the first place that matches in the production overlay is changed. */
const BENDS: [keyof typeof RULES, string | RegExp, string][] = [
  ['restricted', 'allowPrivilegeEscalation: false', 'allowPrivilegeEscalation: true'],
  ['restricted', 'runAsNonRoot: true', 'runAsNonRoot: false'],
  ['restricted', 'type: RuntimeDefault', 'type: Unconfined'],
  ['ownUser', 'runAsUser: 10001', 'runAsUser: 999'],
  ['ownUser', 'readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false'],
  ['tokens', 'automountServiceAccountToken: false', 'automountServiceAccountToken: true'],
  ['tokens', 'serviceAccountName: gateway', 'serviceAccountName: default'],
  ['probes', 'path: /livez', 'path: /readyz'],
  ['grace', 'terminationGracePeriodSeconds: 60', 'terminationGracePeriodSeconds: 20'],
  ['grace', 'seconds: 5', 'seconds: 1'],
  ['memory', '--max-old-space-size=384', '--max-old-space-size=512'],
  [
    'memory',
    /limits:\n( +)ephemeral-storage: 64Mi\n +memory: 512Mi/,
    'limits:\n$1ephemeral-storage: 64Mi\n$1memory: 1Gi',
  ],
  [
    'cpu',
    /limits:\n( +)ephemeral-storage: 64Mi\n +memory: 512Mi/,
    'limits:\n$1cpu: 1\n$1ephemeral-storage: 64Mi\n$1memory: 512Mi',
  ],
  ['spread', 'topologyKey: topology.kubernetes.io/zone', 'topologyKey: kubernetes.io/hostname'],
  ['spread', 'podAntiAffinity', 'podAffinity'],
  ['rolling', 'maxUnavailable: 0\n    type: RollingUpdate', 'maxUnavailable: 1\n    type: RollingUpdate'],
  ['disruption', /(kind: PodDisruptionBudget[\s\S]*?app.kubernetes.io\/name: )gateway\n/, '$1other\n'],
  [
    'network',
    'name: default-deny\n  namespace: seckill\nspec:\n  podSelector: {}',
    'name: default-deny\n  namespace: seckill\nspec:\n  podSelector:\n    matchLabels: { a: b }',
  ],
  ['network', /egress:\n +- ports:/, 'egress:\n  - {}\n  - ports:'],
  ['secrets', 'name: GATEWAY_TOKEN_FILE', 'name: GATEWAY_TOKEN'],
  [
    'secrets',
    '- key: JWT_SECRET\n                path: JWT_SECRET',
    '- key: JWT_SECRET\n                path: OTHER',
  ],
  ['variables', 'STOCK_URL: http', 'STOCK_URI: http'],
  ['variables', '  KAFKA_BROKERS: ', '  KAFKA_BROKER: '],
  ['roles', 'value: settler', 'value: relay'],
  ['ports', 'containerPort: 8080', 'containerPort: 8081'],
  ['ports', 'containerPort: 9462', 'containerPort: 9464'],
  ['images', 'image: seckill:0.1.0', 'image: seckill:latest'],
  [
    'scaling',
    'maxReplicaCount: 12\n  minReplicaCount: 2\n  pollingInterval: 5\n  scaleTargetRef:\n    name: order-intake',
    'maxReplicaCount: 13\n  minReplicaCount: 2\n  pollingInterval: 5\n  scaleTargetRef:\n    name: order-intake',
  ],
  ['scaling', 'minReplicaCount: 2', 'minReplicaCount: 1'],
  ['scaling', /(kind: Deployment[\s\S]*?name: gateway[\s\S]*?spec:\n)/, '$1  replicas: 2\n'],
  ['topics', 'partitions: 12', 'partitions: 6'],
  ['topics', 'min.insync.replicas: 2\n  partitions', 'min.insync.replicas: 1\n  partitions'],
  ['redis', 'appendfsync always', 'appendfsync everysec'],
  ['redis', 'maxmemory-policy noeviction', 'maxmemory-policy allkeys-lru'],
  [
    'namespace',
    'pod-security.kubernetes.io/enforce: restricted',
    'pod-security.kubernetes.io/enforce: baseline',
  ],
  ['kafkaListeners', 'tls: true', 'tls: false'],
  ['kafkaListeners', /authentication:\n +type: scram-sha-512\n +name: tls/, 'name: tls'],
  ['kafkaListeners', /authorization:\n +type: simple\n +config/, 'config'],
  ['kafkaListeners', 'type: simple\n    config', 'type: simple\n      superUsers: [stock-http]\n    config'],
  [
    'kafkaUsers',
    'name: seckill.settlements\n        patternType: literal',
    "name: '*'\n        patternType: literal",
  ],
  ['kafkaUsers', 'name: seckill.intake\n', 'name: seckill.\n'],
  ['kafkaUsers', 'patternType: literal\n        type: topic', 'patternType: prefix\n        type: topic'],
  ['kafkaUsers', '- Write\n', '- All\n'],
  ['kafkaUsers', /operations:\n( +)- Write\n/, 'operations:\n$1- Write\n$1- Create\n'],
  ['kafkaUsers', 'authentication:\n    type: scram-sha-512\n  authorization', 'authorization'],
  ['kafkaClients', 'value: order-relay\n', 'value: order-intake\n'],
  ['kafkaClients', /(KAFKA_SASL_PASSWORD\n +name: )stock-audit/, '$1stock-http'],
  ['kafkaClients', /(kind: KafkaUser[\s\S]*?name: )stock-relay/, '$1stock-replay'],
  ['kafkaClients', 'name: kafka-cluster-ca-cert\n', 'name: kafka-clients-ca-cert\n'],
  ['kafkaTriggers', 'sasl: scram_sha512', 'sasl: none'],
  ['kafkaTriggers', 'tls: enable', 'tls: disable'],
  ['kafkaTriggers', /authenticationRef:\n( +)name: kafka\n/, 'authenticationRef:\n$1name: none\n'],
  ['kafkaTriggers', /(name: )keda(\n +parameter: password)/, '$1order-intake$2'],
];

/** The same for a rendering with a Redis Cluster, which the production overlay does not have. */
const CLUSTER_BENDS: [keyof typeof RULES, string | RegExp, string][] = [
  ['cluster', 'REDIS_CLUSTER: "true"', 'REDIS_CLUSTER: "false"'],
  ['cluster', 'cluster-require-full-coverage no', 'cluster-require-full-coverage yes'],
  ['cluster', 'cluster-enabled yes', 'cluster-enabled no'],
  ['cluster', 'name: redis-cluster-5', 'name: redis-other'],
  [
    'cluster',
    /(requiredDuringSchedulingIgnoredDuringExecution:[\s\S]*?topologyKey: )kubernetes.io\/hostname/,
    '$1topology.kubernetes.io/zone',
  ],
  ['redis', 'appendfsync always', 'appendfsync everysec'],
];

await test('each rule notices its breach', async (t) => {
  const text = overlays.find(({ name }) => name === 'overlay production')?.text ?? '';
  for (const [rule, from, to] of BENDS) {
    const bent = text.replace(from, to);
    t.not(bent, text, `${rule}: ${String(from)} is there to be bent`);
    t.ok((RULES[rule]?.(parseResources(bent)) ?? []).length > 0, `${rule} notices ${to.slice(0, 60)}`);
  }
  const clustered = all.find(({ name }) => name === 'base with redis-cluster')?.text ?? '';
  t.same(RULES['cluster']?.(parseResources(clustered)), []);
  for (const [rule, from, to] of CLUSTER_BENDS) {
    const bent = clustered.replace(from, to);
    t.not(bent, clustered, `${rule}: ${String(from)} is there to be bent`);
    t.ok((RULES[rule]?.(parseResources(bent)) ?? []).length > 0, `${rule} notices ${to.slice(0, 60)}`);
  }
  const base = all.find(({ name }) => name === 'base')?.text ?? '';
  const crowded = base.replace(/(name: order-intake\n[^-]*?replicas: )2/, '$113').replace('$113', '13');
  t.ok((RULES['consumers']?.(parseResources(crowded)) ?? []).length > 0, 'consumers notices 13 replicas');
  const tested = new Set([...BENDS, ...CLUSTER_BENDS].map(([rule]) => rule)).add('consumers');
  t.same(
    Object.keys(RULES).filter((rule) => !tested.has(rule)),
    [],
    'no rule is left untried',
  );
});

await test('compose runs the same programs, under the same names, variables and ports', async (t) => {
  const { services } = readCompose();
  for (const name of ['gateway', 'stock', 'order', 'migrate', 'topics']) {
    const { command, environment = {}, ports = [] } = services[name] ?? {};
    const program = PROGRAMS[command?.[0] ?? ''];
    t.ok(program, `${name} runs ${String(command)}`);
    t.same(
      Object.keys(environment).filter((one) => program?.names.has(one) !== true),
      [],
      `${name}: variables that config.ts knows`,
    );
    t.same(
      program?.required.filter((one) => environment[one] === undefined),
      [],
      `${name}: all that it requires`,
    );
    const expected = PORTS[name];
    if (expected === undefined) continue;
    t.equal(environment['PORT'], String(expected.http));
    t.equal(environment['METRICS_PORT'], String(expected.metrics));
    for (const port of ports)
      t.ok(port.startsWith('127.0.0.1:') && port.endsWith(`:${expected.http}`), `${name}: ${port}`);
  }
});

await test('engines of the manifests are those of compose', async (t) => {
  const { services } = readCompose();
  const local = overlays.find(({ name }) => name === 'overlay local')?.text ?? '';
  for (const engine of ['redis', 'kafka', 'postgres'])
    t.match(local, `image: ${services[engine]?.image ?? 'none'}`);
});

await test('every metric that an alert reads is in the documented list', async (t) => {
  const documented = readFileSync(join(ROOT, 'docs/operating/metrics.md'), 'utf8');
  const rules = readFileSync(join(ROOT, 'k8s/components/monitoring/rules.yaml'), 'utf8');
  // A histogram's metrics have one more word at their end.
  const names = new Set(
    [...rules.matchAll(/seckill_[a-z_]+/g)].map(([name]) => name.replace(/(_seconds)_(bucket|count)$/, '$1')),
  );
  t.ok(names.size > 5);
  for (const name of names) t.ok(documented.includes(`\`${name}\``), name);
});

await test('the external secret brings every key that a pod mounts', async (t) => {
  const text = readFileSync(join(ROOT, 'k8s/components/external-secrets/secrets.yaml'), 'utf8');
  const { spec } = parse(text) as { spec: { data: { secretKey: string }[] } };
  const brought = spec.data.map(({ secretKey }) => secretKey);
  const production = overlays.find(({ name }) => name === 'overlay production')?.text ?? '';
  const mounted = new Set([...production.matchAll(/- key: ([A-Z_]+)\n/g)].map(([, key]) => key ?? ''));
  t.ok(mounted.size > 5);
  for (const key of mounted)
    t.ok(brought.includes(key) || key === 'ACCESS_KEY_ID' || key === 'SECRET_ACCESS_KEY', key);
});
