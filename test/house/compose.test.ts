// Goal: the engines of docker-compose.cluster.yml are those of docker-compose.yml and of `npm start --
// --cluster`, several of each: one image, one hardening, and no setting that promises less.
// Method: the two files are laid over each other as compose does, and compared with what they are to agree
// with. test/compose runs them.
import t from 'tap';
import { parse } from 'yaml';
import { KAFKA_NODES_ENV, REPLICATED } from '../../scripts/stack/src/engines/cluster/kafka-nodes.ts';
import { CLUSTER_SETTINGS } from '../../scripts/stack/src/engines/cluster/redis-cluster.ts';
import { SETTINGS } from '../../scripts/stack/src/engines/redis.ts';
import { read } from './support.ts';

interface Service {
  image?: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  [other: string]: unknown;
}

interface Compose {
  networks?: { default: { ipam: { config: { subnet: string; ip_range: string }[] } } };
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

const parseFile = (path: string): Compose => parse(read(path), { merge: true }) as Compose;

const alone = parseFile('docker-compose.yml');
const cluster = parseFile('docker-compose.cluster.yml');

const placeOf = (volume: string): string => volume.split(':')[1] ?? '';

/** Maps are merged, volumes by their place, and anything else is replaced. */
function lay(under: Service = {}, over: Service = {}): Service {
  const places = new Map(
    [...(under.volumes ?? []), ...(over.volumes ?? [])].map((one) => [placeOf(one), one]),
  );
  return {
    ...under,
    ...over,
    environment: { ...under.environment, ...over.environment },
    depends_on: { ...under.depends_on, ...over.depends_on },
    volumes: [...places.values()],
  };
}

const services = Object.fromEntries(
  Object.keys({ ...alone.services, ...cluster.services }).map((name) => [
    name,
    lay(alone.services[name], cluster.services[name]),
  ]),
);
const NODES = {
  redis: ['redis', 'redis-2', 'redis-3', 'redis-4', 'redis-5', 'redis-6'],
  kafka: ['kafka', 'kafka-2', 'kafka-3'],
  postgres: ['postgres', 'postgres-standby'],
};
const KINDS = Object.keys(NODES) as (keyof typeof NODES)[];

void t.test('a node has the image, the hardening and the health check of the one engine', (t) => {
  const kept = [
    'image',
    'healthcheck',
    'read_only',
    'tmpfs',
    'security_opt',
    'cap_drop',
    'logging',
    'restart',
  ];
  for (const kind of KINDS) {
    for (const name of NODES[kind]) {
      for (const what of kept)
        t.same(services[name]?.[what], alone.services[kind]?.[what], `${name}: ${what}`);
    }
  }
  t.equal(services['redis-cluster']?.image, alone.services['redis']?.image);
  t.end();
});

void t.test('a node keeps its data for itself, and apart from that of the one engine', (t) => {
  const kept = KINDS.flatMap((kind) =>
    NODES[kind].map((name) => services[name]?.volumes?.[0]?.split(':')[0] ?? ''),
  );
  t.equal(new Set(kept).size, 11, kept.join(' '));
  t.same(kept.sort(), Object.keys(cluster.volumes).sort());
  t.same(
    kept.filter((name) => name in alone.volumes),
    [],
  );
  t.end();
});

void t.test('Redis has the settings of the manifests, which keep what the local cluster keeps', (t) => {
  const settings = read('k8s/components/redis-cluster/redis.conf').split('\n');
  // The local cluster gives a node up sooner, so that a test is short; its replicas begin at once.
  const ofTests = /^(cluster-node-timeout|repl-diskless-sync-delay) /;
  for (const line of [...SETTINGS, ...CLUSTER_SETTINGS].filter((one) => !ofTests.test(one)))
    t.ok(settings.includes(line), line);
  for (const name of NODES.redis) {
    const { command = [], volumes = [] } = services[name] ?? {};
    t.same(command, services['redis']?.command, name);
    t.ok(volumes.includes('./k8s/components/redis-cluster/redis.conf:/etc/seckill/redis.conf:ro'), name);
  }
  t.match(services['redis']?.command?.[2], 'cat /etc/seckill/redis.conf');
  const addresses = NODES.redis.map((name) => {
    const { networks } = services[name] as { networks?: { default: { ipv4_address: string } } };
    return networks?.default.ipv4_address ?? '';
  });
  const network = '${CLUSTER_NETWORK:-10.213.77}';
  t.same(
    addresses,
    NODES.redis.map((_, index) => `${network}.1${index + 1}`),
    'addresses stay',
  );
  const [range] = cluster.networks?.default.ipam.config ?? [];
  t.same(range, { subnet: `${network}.0/24`, ip_range: `${network}.128/25` }, 'nobody else gets them');
  const formed = services['redis-cluster'];
  t.same(
    formed?.command?.slice(2),
    NODES.redis.map((name) => `${name}:6379:16379`),
  );
  t.same(Object.keys(formed?.depends_on ?? {}), NODES.redis, 'all of them run when they are made one');
  t.end();
});

void t.test('Kafka has the settings of the one node, and replicates as the local cluster does', (t) => {
  const own =
    /^KAFKA_(NODE_ID|CONTROLLER_QUORUM_VOTERS|LISTENERS|ADVERTISED_LISTENERS)$|REPLICATION_FACTOR|MIN_ISR/;
  const shared = Object.entries(alone.services['kafka']?.environment ?? {}).filter(
    ([name]) => !own.test(name),
  );
  t.ok(shared.length > 7);
  const replicated = Object.entries(REPLICATED).map(
    ([name, value]) => [`KAFKA_${name.replaceAll('.', '_').toUpperCase()}`, value] as const,
  );
  NODES.kafka.forEach((name, index) => {
    const { environment = {} } = services[name] ?? {};
    for (const [setting, value] of [...shared, ...replicated])
      t.equal(environment[setting], value, `${name}: ${setting}`);
    t.equal(environment['KAFKA_NODE_ID'], String(index + 1));
    t.match(environment['KAFKA_CONTROLLER_QUORUM_VOTERS'], `${index + 1}@${name}:9093`);
    t.match(environment['KAFKA_ADVERTISED_LISTENERS'], `INTERNAL://${name}:19092`);
    t.equal(environment['CLUSTER_ID'], services['kafka']?.environment?.['CLUSTER_ID']);
  });
  t.match(services['topics']?.environment, KAFKA_NODES_ENV);
  const brokers = NODES.kafka.map((name) => `${name}:19092`).join(',');
  for (const name of ['topics', 'order', 'stock'])
    t.equal(services[name]?.environment?.['KAFKA_BROKERS'], brokers, name);
  t.end();
});

void t.test('a commit of PostgreSQL waits for its standby, which misses nothing', (t) => {
  const once = alone.services['postgres']?.command?.filter((word) => word.includes('=')) ?? [];
  t.ok(once.length > 3);
  for (const name of NODES.postgres) {
    const command = services[name]?.command?.at(-1) ?? '';
    for (const setting of once) t.match(command, `-c ${setting}`, name);
  }
  const [primary = '', standby = ''] = NODES.postgres.map((name) => services[name]?.command?.at(-1) ?? '');
  const [, awaited = ''] = /synchronous_standby_names=(\S+)/.exec(primary) ?? [];
  t.match(standby, `application_name=${awaited}'`);
  const [, slot = ''] = /primary_slot_name=(\S+)/.exec(standby) ?? [];
  t.match(standby, `--slot ${slot} --create-slot`);
  t.equal(services['postgres-standby']?.environment?.['HBA'], services['postgres']?.environment?.['HBA']);
  t.end();
});

void t.test('services and jobs wait for all nodes, and know that these are several', (t) => {
  const waits = (name: string): string[] => Object.keys(services[name]?.depends_on ?? {}).sort();
  t.same(waits('migrate'), [...NODES.postgres].sort());
  t.same(waits('topics'), [...NODES.kafka].sort());
  t.match(services['stock']?.depends_on, {
    'redis-cluster': { condition: 'service_completed_successfully' },
  });
  for (const name of ['stock', 'gateway'])
    t.equal(services[name]?.environment?.['REDIS_CLUSTER'], 'true', name);
  t.match(services['order']?.environment?.['DATABASE_REPLICA_URL'], '@postgres-standby:5432/seckill');
  t.end();
});
