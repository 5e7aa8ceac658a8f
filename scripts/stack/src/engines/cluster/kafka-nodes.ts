/** Three nodes of Kafka, each broker and controller. Every message is on two disks before it is confirmed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StackError } from '../../errors.ts';
import { freePorts } from '../../machine/ports.ts';
import type { Log } from '../../machine/progress.ts';
import { findKafka, kafka, type Extend } from '../kafka.ts';
import type { Nodes } from './nodes.ts';

const NODES = [1, 2, 3];
const REPLICAS = '3';
const IN_SYNC = '2';

export const REPLICATED = {
  'default.replication.factor': REPLICAS,
  'min.insync.replicas': IN_SYNC,
  'offsets.topic.replication.factor': REPLICAS,
  'transaction.state.log.replication.factor': REPLICAS,
  'transaction.state.log.min.isr': IN_SYNC,
  'share.coordinator.state.topic.replication.factor': REPLICAS,
  'share.coordinator.state.topic.min.isr': IN_SYNC,
};

/** What the services are told of it, beside its address. */
export const KAFKA_NODES_ENV = {
  TOPICS_REPLICATION_FACTOR: REPLICAS,
  TOPICS_MIN_IN_SYNC_REPLICAS: IN_SYNC,
};

/** @throws StackError as `startEngines` does */
export async function startKafkaNodes(
  nodes: Nodes,
  folder: string,
  stack: string,
  log: Log,
): Promise<{ url: string; origin: string }> {
  // Each node has to know all controllers before any is started.
  const ports = await freePorts(2 * NODES.length);
  const clusterId = randomBytes(16).toString('base64url');
  const portsOf = (id: number): [number, number] => ports.slice(2 * (id - 1), 2 * id) as [number, number];
  const voters = NODES.map((id) => `${id}@127.0.0.1:${portsOf(id)[1]}`).join(',');
  const prepared = [];
  let origin = '';
  // One after the other, because the first may have to install.
  for (const id of NODES) {
    const [port, controllerPort] = portsOf(id);
    const extend: Extend = async () => ({
      clusterId,
      port,
      settings: {
        ...REPLICATED,
        'node.id': String(id),
        'controller.quorum.voters': voters,
        listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      },
      format: [],
      java: [],
    });
    const program = await findKafka(log, extend);
    if (program === undefined) {
      throw new StackError('SECKILL_STACK_ENGINE_MISSING', `kafka is missing; needed: ${kafka.advice}`);
    }
    ({ origin } = program);
    const name = `kafka-${id}`;
    const place = { stack, folder: join(folder, name), logFile: join(folder, `${name}.log`), log };
    prepared.push({ name, launch: (await program.prepare(place)).launch });
  }
  // Two controllers are needed for one to be ready.
  const launched = await Promise.allSettled(
    prepared.map(({ name, launch }) => nodes.start(name, async () => (await launch()).child)),
  );
  const failed = launched.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { url: NODES.map((id) => `127.0.0.1:${portsOf(id)[0]}`).join(','), origin };
}
