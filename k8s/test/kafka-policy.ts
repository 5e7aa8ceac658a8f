/**
 * Rules of the house about Kafka: who may do what there. The rules bind where Kafka is a resource of the
 * rendering (Strimzi).
 */
import { TOPIC_LIST } from './expected.ts';
import type { Resource } from './render.ts';
import { matches, variablesOf, workloadsOf, type Workload } from './workload.ts';

interface Kafka {
  spec: {
    kafka: {
      listeners: { name: string; tls: boolean; authentication?: { type: string } }[];
      authorization?: { type: string; superUsers?: string[] };
    };
  };
}

export interface KafkaUser {
  metadata: { name: string };
  spec: {
    authentication?: { type: string };
    authorization?: { type: string; acls: Acl[] };
  };
}

export interface Acl {
  type?: string;
  resource: { type: string; name?: string; patternType?: string };
  operations: string[];
}

const ofKind = (resources: Resource[], kind: string): Resource[] =>
  resources.filter((one) => one.kind === kind);

export const kafkaUsersOf = (resources: Resource[]): KafkaUser[] =>
  ofKind(resources, 'KafkaUser') as unknown as KafkaUser[];

/** Kafka lets nobody in without TLS and a password, or past the ACLs. */
export function kafkaListeners(resources: Resource[]): string[] {
  return ofKind(resources, 'Kafka').flatMap((one) => {
    const { listeners, authorization } = (one as unknown as Kafka).spec.kafka;
    const open = listeners.filter(
      ({ tls, authentication }) => !tls || authentication?.type !== 'scram-sha-512',
    );
    return [
      ...open.map(({ name }) => `listener ${name}: no TLS, or no password`),
      ...(authorization?.type === 'simple' ? [] : ['nothing is held to ACLs']),
      ...(authorization?.superUsers ?? []).map((name) => `${name} stands above the ACLs`),
    ];
  });
}

const OPERATIONS: Record<string, string[]> = {
  topic: ['Read', 'Write', 'Describe'],
  group: ['Read', 'Describe', 'Delete'],
};

/**
 * A rule names topics and groups in full. A prefix stands only for groups that a command makes below its own
 * name.
 */
function isNarrow({ type = 'allow', resource, operations }: Acl): boolean {
  const { name = '*', patternType = 'literal' } = resource;
  const known = OPERATIONS[resource.type] ?? [];
  if (type !== 'allow' || operations.length === 0 || operations.some((one) => !known.includes(one)))
    return false;
  if (resource.type === 'topic') {
    return patternType === 'literal' && TOPIC_LIST.some((topic) => topic.name === name);
  }
  return /^seckill\.[a-z-]+$/.test(patternType === 'literal' ? name : name.replace(/\.$/, ''));
}

export function kafkaUsers(resources: Resource[]): string[] {
  return kafkaUsersOf(resources).flatMap(({ metadata, spec }) => {
    const acls = spec.authorization?.acls ?? [];
    const isHeld = spec.authentication?.type === 'scram-sha-512' && spec.authorization?.type === 'simple';
    return [
      ...(isHeld && acls.length > 0 ? [] : [`${metadata.name}: has no password, or no ACLs`]),
      ...acls
        .filter((acl) => !isNarrow(acl))
        .map((acl) => `${metadata.name} may too much: ${JSON.stringify(acl)}`),
    ];
  });
}

/** Deployments that a network policy lets out to Kafka. */
function isClient({ labels, main }: Workload, resources: Resource[]): boolean {
  return (
    main.name === 'seckill' &&
    ofKind(resources, 'NetworkPolicy').some((policy) => {
      const { podSelector, egress } = policy['spec'] as {
        podSelector: { matchLabels?: Record<string, string> };
        egress?: unknown;
      };
      const isOut = JSON.stringify(egress ?? []).includes('"seckill.engine":"kafka"');
      return isOut && matches(podSelector.matchLabels ?? {}, labels);
    })
  );
}

/** Each deployment that speaks to Kafka is a user of its own, and holds nobody else's password. */
export function kafkaClients(resources: Resource[]): string[] {
  const [kafka] = ofKind(resources, 'Kafka');
  if (kafka === undefined) return [];
  const users = kafkaUsersOf(resources).map(({ metadata }) => metadata.name);
  const authority = `${kafka.metadata.name}-cluster-ca-cert/ca.crt`;
  return workloadsOf(resources).flatMap((workload) => {
    const { name, pod } = workload;
    const variables = variablesOf(workload, resources);
    const secrets = (pod.volumes ?? [])
      .flatMap(({ projected }) => projected?.sources ?? [])
      .flatMap(({ secret }) => (secret?.items ?? []).map(({ key }) => `${secret?.name ?? ''}/${key}`));
    const mounted = secrets.filter((one) => one.endsWith('/password') || one === authority).sort();
    const wanted = isClient(workload, resources) ? [authority, `${name}/password`].sort() : [];
    const user = wanted.length === 0 ? undefined : name;
    return [
      ...(variables.get('KAFKA_SASL_USERNAME') === user ? [] : [`${name}: is not a user of its own`]),
      ...(user === undefined || users.includes(user) ? [] : [`${name}: there is no such user`]),
      ...(mounted.join() === wanted.join() ? [] : [`${name}: mounts ${mounted.join()}`]),
    ];
  });
}

interface Trigger {
  type: string;
  metadata: Record<string, string>;
  authenticationRef?: { name: string };
}

/** Kafka lets KEDA in like everybody: by a user of its own. */
export function kafkaTriggers(resources: Resource[]): string[] {
  const users = kafkaUsersOf(resources).map(({ metadata }) => metadata.name);
  const isOwn = (name: string): boolean =>
    users.includes(name) && !workloadsOf(resources).some((one) => one.name === name);
  return ofKind(resources, 'ScaledObject').flatMap((scaled) => {
    const { triggers = [] } = scaled['spec'] as { triggers?: Trigger[] };
    return triggers
      .filter(({ type }) => type === 'kafka')
      .flatMap(({ metadata, authenticationRef }) => {
        const reference = ofKind(resources, 'TriggerAuthentication').find(
          (one) => one.metadata.name === authenticationRef?.name,
        );
        const secrets = (
          reference?.['spec'] as { secretTargetRef?: { parameter: string; name: string }[] } | undefined
        )?.secretTargetRef;
        const user = secrets?.find(({ parameter }) => parameter === 'password')?.name ?? '';
        const isSafe = metadata['sasl'] === 'scram_sha512' && metadata['tls'] === 'enable';
        const isLetIn = users.length === 0 || isOwn(user);
        return isSafe && reference !== undefined && isLetIn
          ? []
          : [`${scaled.metadata.name}: asks Kafka for its lag without TLS or a user of its own`];
      });
  });
}
