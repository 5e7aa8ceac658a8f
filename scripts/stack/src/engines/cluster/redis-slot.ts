/**
 * Moves a slot between nodes of a cluster step by step, as `redis-cli --cluster reshard` does. Tests use it
 * to see what happens in between.
 */
import type { ClusterNode } from './redis-cluster.ts';

export interface Move {
  slot: number;
  from: ClusterNode;
  to: ClusterNode;
}

const MIGRATE_MS = 5_000;

export async function beginMove({ slot, from, to }: Move): Promise<void> {
  await to.command(`CLUSTER SETSLOT ${slot} IMPORTING ${await from.readId()}`);
  await from.command(`CLUSTER SETSLOT ${slot} MIGRATING ${await to.readId()}`);
}

/** Keys of the slot on this node. */
export async function keysInSlot(node: ClusterNode, slot: number): Promise<string[]> {
  const said = await node.command(`CLUSTER COUNTKEYSINSLOT ${slot}`);
  const count = Number(said.slice(1));
  if (count === 0) return [];
  const lines = (await node.command(`CLUSTER GETKEYSINSLOT ${slot} ${count}`)).split('\r\n');
  return lines.filter((line) => line !== '' && !/^[*$]\d+$/.test(line));
}

export async function moveKey({ from, to }: Move, key: string): Promise<void> {
  const { hostname, port, password } = new URL(to.url);
  await from.command(`MIGRATE ${hostname} ${port} ${key} 0 ${MIGRATE_MS} AUTH ${password}`);
}

/** Ends a move. The new owner is told first, because a slot that nobody claims is lost to whoever asks. */
export async function endMove({ slot, from, to }: Move): Promise<void> {
  const owner = await to.readId();
  for (const node of [to, from]) await node.command(`CLUSTER SETSLOT ${slot} NODE ${owner}`);
}

export async function giveUpMove({ slot, from, to }: Move): Promise<void> {
  for (const node of [from, to]) await node.command(`CLUSTER SETSLOT ${slot} STABLE`);
}

export async function moveSlot(move: Move): Promise<void> {
  await beginMove(move);
  for (const key of await keysInSlot(move.from, move.slot)) await moveKey(move, key);
  await endMove(move);
}
