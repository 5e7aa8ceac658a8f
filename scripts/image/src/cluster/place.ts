/** Where a cluster of one node lives: a folder of the checkout with its files, its logs and its owner. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, readOwner } from '@seckill/runtime';
import { ROOT } from '@seckill/stack';

/** The name of the node's group in every hierarchy of cgroups. */
export const NAME = 'seckill-cluster';

export const NODE = 'seckill-node';

/** Addresses inside the node's own network. No packet leaves the node, so none of them can collide. */
export const NETWORK = {
  node: '10.99.0.1',
  pods: '10.244.0.0/24',
  services: '10.96.0.0/16',
  dns: '10.96.0.10',
} as const;

export const SOCKET = '/run/containerd/containerd.sock';

/** No stack can have this name: a stack would claim the same files. */
export const FOLDER = join(ROOT, '.run/k8s.cluster');

/** What describes the node and its pods. */
export const FILES = join(ROOT, 'k8s/cluster');

/** The process whose end ends the node, and the first process of the node as the machine numbers it. */
export interface Holder {
  pid: number;
  init: number;
}

/** The running cluster. The result is undefined when there is none, or when its process is gone. */
export function readHolder(): Holder | undefined {
  const owner = readOwner(join(FOLDER, 'owner.json'));
  const file = join(FOLDER, 'holder.json');
  if (owner === undefined || !isAlive(owner) || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as Holder;
}

/** The words that stand before a command that is to run inside the node. */
export function enter({ init }: Holder): [string, ...string[]] {
  return ['nsenter', '--target', String(init), '--mount', '--net', '--pid', '--uts', '--ipc'];
}
