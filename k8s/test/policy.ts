/** The house's own rules, which no linter knows. Each takes a rendering and tells what breaks it. */
import { PORTS, PROGRAMS, readStopMs, ROLES, TOPIC_LIST } from './expected.ts';
import { kafkaClients, kafkaListeners, kafkaTriggers, kafkaUsers } from './kafka-policy.ts';
import type { Resource } from './render.ts';
import { matches, mebibytes, variablesOf, workloadsOf, type Workload } from './workload.ts';

export type Rule = (resources: Resource[]) => string[];

const HOT = ['gateway', 'stock-http'];
const NAME = 'app.kubernetes.io/name';

const isOurs = ({ main }: Workload): boolean => main.name === 'seckill';
const isDeployment = ({ kind }: Workload): boolean => kind === 'Deployment';

/** Asks a question about every workload that `isMeant`. An answer tells what is wrong with the workload. */
function each(isMeant: (one: Workload) => boolean, question: (one: Workload) => string | false): Rule {
  return (resources) =>
    workloadsOf(resources)
      .filter(isMeant)
      .flatMap((workload) => {
        const answer = question(workload);
        return answer === false ? [] : [`${workload.name}: ${answer}`];
      });
}

interface Selecting {
  spec: {
    selector?: { matchLabels?: Record<string, string> };
    podSelector?: { matchLabels?: Record<string, string> };
  };
}

function selectorsOf(
  resources: Resource[],
  kind: string,
): { name: string; selector: Record<string, string> }[] {
  return resources
    .filter((one) => one.kind === kind)
    .map((one) => {
      const { selector, podSelector } = (one as unknown as Selecting).spec;
      return { name: one.metadata.name, selector: (selector ?? podSelector)?.matchLabels ?? {} };
    });
}

const restricted = each(
  () => true,
  ({ pod, main }) => {
    const { runAsNonRoot, runAsUser = 0, seccompProfile } = pod.securityContext ?? {};
    const { allowPrivilegeEscalation, capabilities } = main.securityContext ?? {};
    const isRestricted =
      runAsNonRoot === true &&
      runAsUser > 0 &&
      seccompProfile?.type === 'RuntimeDefault' &&
      allowPrivilegeEscalation === false &&
      capabilities?.drop?.includes('ALL') === true &&
      capabilities.add === undefined;
    return !isRestricted && 'is not restricted';
  },
);

const ownUser = each(isOurs, ({ pod, main }) => {
  const { runAsUser = 0, runAsGroup = 0 } = pod.securityContext ?? {};
  if (runAsUser < 10_000 || runAsGroup < 10_000) return `runs as ${runAsUser}:${runAsGroup}`;
  return main.securityContext?.readOnlyRootFilesystem !== true && 'its root can be written';
});

const tokens: Rule = (resources) => {
  const accounts = resources.filter(({ kind }) => kind === 'ServiceAccount');
  const withToken = accounts.filter((one) => one['automountServiceAccountToken'] !== false);
  const names = accounts.map(({ metadata }) => metadata.name);
  return [
    ...withToken.map(({ metadata }) => `${metadata.name}: its token is mounted`),
    ...each(
      () => true,
      ({ pod, name }) =>
        (pod.automountServiceAccountToken !== false ||
          pod.serviceAccountName !== name ||
          !names.includes(name)) &&
        'has no account of its own without a token',
    )(resources),
  ];
};

const probes = each(
  (one) => isOurs(one) && isDeployment(one),
  ({ main }) => {
    const paths = [main.startupProbe, main.livenessProbe, main.readinessProbe].map(
      (probe) => probe?.httpGet?.path,
    );
    return paths.join() !== '/readyz,/livez,/readyz' && `is watched at ${paths.join()}`;
  },
);

/**
 * DRAIN_MS, where a service has one, and the time after which the service gives up, with a margin for a busy
 * node.
 */
const grace: Rule = (resources) =>
  each(
    (one) => isOurs(one) && isDeployment(one),
    (workload) => {
      const preStop = workload.main.lifecycle?.preStop?.sleep?.seconds ?? 0;
      if (preStop < 5) return `preStop sleeps ${preStop} s`;
      const drain = Number(variablesOf(workload, resources).get('DRAIN_MS') ?? 0);
      const needed = preStop + (drain + readStopMs()) / 1000;
      const given = workload.pod.terminationGracePeriodSeconds ?? 30;
      return !(given > needed) && `has ${given} s to end, and needs more than ${needed}`;
    },
  )(resources);

const memory = each(isOurs, ({ main }) => {
  const limit = mebibytes(main.resources?.limits?.['memory']);
  const heap = Number(
    /--max-old-space-size=(\d+)/.exec(
      main.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '',
    )?.[1],
  );
  if (main.resources?.requests?.['memory'] !== main.resources?.limits?.['memory'])
    return 'memory request is not its limit';
  return !(heap === Math.floor(limit * 0.75)) && `heap ${heap} MiB of ${limit}`;
});

const cpu = each(isOurs, ({ name, main }) => {
  if (main.resources?.requests?.['cpu'] === undefined) return 'asks for no CPU';
  return (
    HOT.includes(name) === (main.resources.limits?.['cpu'] !== undefined) &&
    'CPU limit: none on the hot path, one elsewhere'
  );
});

const spread = each(
  (one) => isOurs(one) && isDeployment(one),
  ({ pod }) => {
    const keys = (pod.topologySpreadConstraints ?? []).map(({ topologyKey }) => topologyKey).sort();
    if (keys.join() !== 'kubernetes.io/hostname,topology.kubernetes.io/zone')
      return `spreads over ${keys.join()}`;
    return pod.affinity?.podAntiAffinity === undefined && 'has no anti-affinity';
  },
);

const rolling = each(
  (one) => isOurs(one) && isDeployment(one),
  ({ strategy }) =>
    strategy?.rollingUpdate?.maxUnavailable !== 0 && 'may be unavailable while it is replaced',
);

const disruption: Rule = (resources) => {
  const budgets = selectorsOf(resources, 'PodDisruptionBudget');
  return each(
    (one) => one.kind !== 'Job',
    ({ labels }) =>
      budgets.filter(({ selector }) => matches(selector, labels)).length !== 1 && 'has no disruption budget',
  )(resources);
};

const network: Rule = (resources) => {
  const policies = resources.filter(({ kind }) => kind === 'NetworkPolicy');
  const denies = policies.some((one) => {
    const { podSelector, policyTypes, ingress, egress } = one['spec'] as Record<string, unknown>;
    const isAll = JSON.stringify(podSelector) === '{}' && String(policyTypes) === 'Ingress,Egress';
    return isAll && ingress === undefined && egress === undefined;
  });
  const wide = policies.filter(
    (one) => JSON.stringify(one['spec']).match(/"(egress|ingress)":\[[^\]]*\{\}/) !== null,
  );
  return [
    ...(denies ? [] : ['nothing is denied by default']),
    ...wide.map(({ metadata }) => `${metadata.name}: a rule without bounds`),
    ...each(isOurs, ({ labels }) => {
      const own = selectorsOf(resources, 'NetworkPolicy').filter(
        ({ selector }) => Object.keys(selector).length > 0 && matches(selector, labels),
      );
      return own.length === 0 && 'has no network policy';
    })(resources),
  ];
};

const secrets: Rule = (resources) =>
  each(isOurs, (workload) => {
    const inline = (workload.main.env ?? []).filter(
      ({ name, valueFrom }) =>
        (/(TOKEN|SECRET|SECRETS|PASSWORD|_URL)$/.test(name) && !/^(STOCK|ORDER)_URL$/.test(name)) ||
        valueFrom !== undefined,
    );
    if (
      inline.length > 0 ||
      workload.main.envFrom?.some(({ secretRef }) => secretRef !== undefined) === true
    ) {
      return `secrets by variable: ${inline.map(({ name }) => name).join()}`;
    }
    const [volume] = (workload.pod.volumes ?? []).filter(({ name }) => name === 'secrets');
    const items = volume?.projected?.sources.flatMap(({ secret }) => secret?.items ?? []) ?? [];
    const hasAll =
      volume?.projected?.sources.some(
        ({ secret }) => secret !== undefined && (secret.items ?? []).length === 0,
      ) === true;
    const wanted = [...variablesOf(workload, resources)]
      .filter(([name]) => name.endsWith('_FILE'))
      .map(([, file]) => file.split('/').pop());
    const got = items.map(({ path }) => path);
    if (hasAll) return 'mounts a whole secret';
    return wanted.sort().join() !== got.sort().join() && `wants ${wanted.join()} and mounts ${got.join()}`;
  })(resources);

const variables: Rule = (resources) =>
  each(isOurs, (workload) => {
    const file = workload.main.args?.[0] ?? '';
    const program = PROGRAMS[file];
    if (program === undefined) return `runs ${file}`;
    const given = [...variablesOf(workload, resources).keys()].filter((name) => name !== 'NODE_OPTIONS');
    const unknown = given.filter((name) => !program.names.has(name));
    if (unknown.length > 0) return `its config.ts does not know ${unknown.join()}`;
    const missing = program.required.filter(
      (name) => !given.includes(name) && !given.includes(`${name}_FILE`),
    );
    return missing.length > 0 && `lacks ${missing.join()}`;
  })(resources);

const roles: Rule = (resources) =>
  Object.entries(ROLES).flatMap(([service, expected]) => {
    const found = workloadsOf(resources)
      .filter((one) => isDeployment(one) && one.labels['app.kubernetes.io/name'] === service)
      .map((one) => {
        const role = variablesOf(one, resources).get('ROLES') ?? 'none';
        return one.name === `${service}-${role}` && one.labels['app.kubernetes.io/component'] === role
          ? role
          : `not ${one.name}`;
      });
    return found.sort().join() === [...expected].sort().join()
      ? []
      : [`${service} deploys ${found.join()}, not ${expected.join()}`];
  });

const ports: Rule = (resources) => [
  ...each(
    (one) => isOurs(one) && isDeployment(one),
    ({ main, labels }) => {
      const expected = PORTS[labels['app.kubernetes.io/name'] ?? ''];
      const found = Object.fromEntries(
        (main.ports ?? []).map(({ name, containerPort }) => [name, containerPort]),
      );
      return JSON.stringify(found) !== JSON.stringify(expected) && `listens on ${JSON.stringify(found)}`;
    },
  )(resources),
  ...resources
    .filter(({ kind, metadata }) => kind === 'Service' && PORTS[metadata.name] !== undefined)
    .filter(
      (one) =>
        (one['spec'] as { ports: { port: number }[] }).ports[0]?.port !== PORTS[one.metadata.name]?.http,
    )
    .map(({ metadata }) => `Service ${metadata.name}: not its port`),
];

const images = each(isOurs, ({ main }) =>
  /^[^:@]*seckill(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})?$/.test(main.image)
    ? false
    : `image ${main.image}`,
);

interface Scaled {
  spec: {
    scaleTargetRef: { name: string };
    minReplicaCount?: number;
    maxReplicaCount?: number;
    minReplicas?: number;
    maxReplicas?: number;
    triggers?: { type: string; metadata: Record<string, string> }[];
  };
}

const scaling: Rule = (resources) =>
  resources
    .filter(({ kind }) => kind === 'ScaledObject' || kind === 'HorizontalPodAutoscaler')
    .flatMap((one) => {
      const { spec } = one as unknown as Scaled;
      const target = workloadsOf(resources).find(({ name }) => name === spec.scaleTargetRef.name);
      const most = spec.maxReplicaCount ?? spec.maxReplicas ?? 0;
      const topics = (spec.triggers ?? []).flatMap(({ metadata }) => metadata['topic'] ?? []);
      const partitions = topics.map(
        (topic) => TOPIC_LIST.find(({ name }) => name === topic)?.partitions ?? 0,
      );
      const said = `${spec.scaleTargetRef.name}:`;
      return [
        ...(target === undefined ? [`${said} scaled and not there`] : []),
        ...(target?.replicas === undefined ? [] : [`${said} its replicas have two owners`]),
        ...((spec.minReplicaCount ?? spec.minReplicas ?? 0) < 2 ? [`${said} may fall below two`] : []),
        ...(partitions.some((count) => count < most) ? [`${said} more replicas than partitions`] : []),
      ];
    });

const topics: Rule = (resources) => {
  const found = resources.filter(({ kind }) => kind === 'KafkaTopic');
  if (found.length === 0) return [];
  const listed = found.map((one) => {
    const { partitions, replicas, config } = one['spec'] as {
      partitions: number;
      replicas: number;
      config: Record<string, unknown>;
    };
    return `${one.metadata.name} ${partitions} ${replicas} ${String(config['min.insync.replicas'])}`;
  });
  const expected = TOPIC_LIST.map(({ name, partitions }) => `${name} ${partitions} 3 2`);
  return listed.sort().join() === expected.sort().join() ? [] : [`topics are ${listed.join()}`];
};

/**
 * Bounds the replicas of roles that share partitions, whether the manifest or an autoscaler decides their
 * number.
 */
const consumers: Rule = (resources) =>
  each(
    ({ name }) => name === 'order-intake' || name === 'stock-settler',
    ({ replicas = 0 }) => replicas > 12 && `${replicas} replicas for 12 partitions`,
  )(resources);

const redis: Rule = (resources) =>
  resources
    .filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('redis-'))
    .flatMap((map) => {
      const text = (map['data'] as Record<string, string>)['redis.conf'] ?? '';
      return ['appendonly yes', 'appendfsync always', 'maxmemory-policy noeviction']
        .filter((line) => !text.split('\n').includes(line))
        .map((line) => `redis: not ${line}`);
    });

/**
 * Stock and gateway are told of a Redis Cluster exactly where there is one. The loss of a node costs the
 * lanes of that node alone.
 */
const cluster: Rule = (resources) => {
  const nodes = workloadsOf(resources).find(({ name }) => name === 'redis-cluster');
  const wrong = workloadsOf(resources)
    .filter((one) => isDeployment(one) && ['stock', 'gateway'].includes(one.labels[NAME] ?? ''))
    .filter((one) => (variablesOf(one, resources).get('REDIS_CLUSTER') === 'true') !== (nodes !== undefined))
    .map(({ name }) => `${name}: REDIS_CLUSTER is not what Redis is`);
  if (nodes === undefined) return wrong;
  const conf = resources
    .filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('redis-cluster-'))
    .flatMap((map) => ((map['data'] as Record<string, string>)['redis.conf'] ?? '').split('\n'));
  const missing = ['cluster-enabled yes', 'cluster-require-full-coverage no'].filter(
    (line) => !conf.includes(line),
  );
  const services = resources.filter(
    ({ kind, metadata }) => kind === 'Service' && /^redis-cluster-\d+$/.test(metadata.name),
  );
  const apart = nodes.pod.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...wrong,
    ...missing.map((line) => `redis-cluster: not ${line}`),
    ...(services.length === nodes.replicas
      ? []
      : [`redis-cluster: ${services.length} nodes have an address`]),
    ...(apart.some(({ topologyKey }) => topologyKey === 'kubernetes.io/hostname')
      ? []
      : ['redis-cluster: a machine may hold both of a pair']),
  ];
};

const namespace: Rule = (resources) =>
  resources
    .filter(({ kind }) => kind === 'Namespace')
    .filter(({ metadata }) => metadata.labels?.['pod-security.kubernetes.io/enforce'] !== 'restricted')
    .map(({ metadata }) => `${metadata.name}: pods are not held to restricted`);

export const RULES: Record<string, Rule> = {
  ...{
    restricted,
    ownUser,
    tokens,
    probes,
    grace,
    memory,
    cpu,
    spread,
    rolling,
    disruption,
    network,
    secrets,
  },
  ...{ variables, roles, ports, images, scaling, topics, consumers, redis, cluster, namespace },
  ...{ kafkaListeners, kafkaUsers, kafkaClients, kafkaTriggers },
};
