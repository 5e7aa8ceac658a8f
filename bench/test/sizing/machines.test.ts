/**
 * Goal: a plan's cores and memory are what the manifests ask for, and grow with the orders. Method: the
 * manifests are read, and plans of small and large sales.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SaleInput } from '@seckill/contracts';
import { ROOT } from '@seckill/stack';
import { test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { ENGINE_NODES, planMachines, PODS, type Pod } from '../../src/sizing/machines.ts';
import { planSale } from '../../src/sizing/sale-plan.ts';

interface Requests {
  cpu: string;
  memory: string;
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  spec: {
    replicas?: number;
    instances?: number;
    resources?: { requests: Requests };
    template?: { spec: { containers: { resources: { requests: Requests } }[] } };
  };
}

function readManifests(file: string): Manifest[] {
  const text = readFileSync(join(ROOT, 'k8s', file), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

function find(file: string, kind: string, name: string): { pod: Pod; nodes: number } {
  const manifest = readManifests(file).find((one) => one.kind === kind && one.metadata.name === name);
  const spec: Manifest['spec'] = manifest?.spec ?? {};
  const requests = spec.resources?.requests ?? spec.template?.spec.containers[0]?.resources.requests;
  return {
    pod: { cores: toCores(requests?.cpu ?? ''), gigabytes: toGigabytes(requests?.memory ?? '') },
    nodes: spec.replicas ?? spec.instances ?? 0,
  };
}

const toCores = (text: string): number => (text.endsWith('m') ? parseInt(text, 10) / 1_000 : Number(text));
const toGigabytes = (text: string): number => parseInt(text, 10) / (text.endsWith('Mi') ? 1_024 : 1);

await test('what a pod takes is what its manifest asks for', async (t) => {
  for (const [name, { cores, gigabytes }] of Object.entries(PODS)) {
    t.same(find(`base/${name}.yaml`, 'Deployment', name).pod, { cores, gigabytes }, name);
  }
});

await test('what a node of an engine takes is what its component asks for', async (t) => {
  const found = {
    redis: find('components/redis-cluster/redis.yaml', 'StatefulSet', 'redis-cluster'),
    postgres: find('components/cloudnative-pg/postgres.yaml', 'Cluster', 'postgres'),
    kafka: find('components/strimzi/kafka.yaml', 'KafkaNodePool', 'broker'),
    'kafka-controller': find('components/strimzi/kafka.yaml', 'KafkaNodePool', 'controller'),
  };
  t.same(
    Object.fromEntries(Object.entries(found).map(([name, { pod, nodes }]) => [name, { ...pod, nodes }])),
    ENGINE_NODES,
  );
});

await test('cores grow with replicas and with the orders of a second; half of each machine stays free', async (t) => {
  const small = planMachines({}, 2, 100);
  const services = 2 * Object.values(PODS).reduce((sum, { cores }) => sum + cores, 0);
  const engines = Object.values(ENGINE_NODES).reduce((sum, { cores, nodes }) => sum + cores * nodes, 0);
  t.equal(small.cores, services + engines);
  t.equal(small.nodes, 6, 'a machine for each node of the Redis Cluster');
  t.equal(planMachines({ gateway: 100 }, 2, 100).nodes, Math.ceil((small.cores + 98) / 8));
  t.equal(planMachines({ gateway: 12 }, 2, 100).cores, small.cores + 10);
  const busy = planMachines({}, 2, 30_000);
  t.ok(busy.cores > small.cores, 'PostgreSQL and Kafka take more for more orders');
  t.match(
    busy.why,
    /PostgreSQL 18, Kafka 7.5 cores/,
    '30,000 / 11,600 and / 32,000, half left free, each three times',
  );
});

const sale: SaleInput = {
  id: 'oranges-2000',
  title: 'Oranges',
  closesAt: '2026-11-22T12:10:00.000Z',
  items: [{ sku: 'orange-5kg', title: '5 kg', price: { amount: 2990, currency: 'CNY' }, total: 2000 }],
};

await test('a plan names the part that is used most', async (t) => {
  const now = Date.parse('2026-11-20T00:00:00.000Z');
  t.match(planSale(sale, 100, now).firstLimit, /20 %: PostgreSQL's connections: 40 of 200/);
  const crowded = planSale(sale, 10_000_000, now);
  t.match(crowded.firstLimit, /the Redis that the sale lies on: it takes 30,000/);
  t.match(
    crowded.steps.find(({ what }) => what === 'written')?.value,
    /^17,000 requests/,
    'no more than Redis takes in 250 ms, beside the units',
  );
});
