/**
 * Every Redis key of the project. Formats of the values: scripts/lua/README.md.
 *
 *   seckill:lanes                       SET     the lanes that exist, `<saleId>:<lane>`
 *   seckill:{<saleId>:<lane>}:state     HASH    gate, epoch, control state
 *   seckill:{<saleId>:<lane>}:items     HASH    counts by SKU
 *   seckill:{<saleId>:<lane>}:buyers    HASH    units by user
 *   seckill:{<saleId>:<lane>}:channels  HASH    cap and units by channel
 *   seckill:{<saleId>:<lane>}:keys      HASH    idempotency key → record of the first answer
 *   seckill:{<saleId>:<lane>}:holds     HASH    random part of the reservation id → field of `keys`
 *   seckill:{<saleId>:<lane>}:outbox    STREAM  what the relay has not brought to Kafka yet
 *   seckill:{<saleId>:<lane>}:lease     STRING  token of the relay that serves the outbox
 *   seckill:{<saleId>:<lane>}:keeper    STRING  token of the process that checks or rebuilds the lane
 *
 * The braces are Redis Cluster's hash tag: all keys of a lane live on one node (decision 13).
 */
export interface Lane {
  saleId: string;
  lane: number;
}

/** Lanes of every sale until a sale can have several (decision 13). */
export const LANES_PER_SALE = 1;

export const LANES_KEY = 'seckill:lanes';

type Part = 'state' | 'items' | 'buyers' | 'channels' | 'keys' | 'holds' | 'outbox' | 'lease' | 'keeper';
export type LaneKeys = Record<Part, string>;

export function laneKeys({ saleId, lane }: Lane): LaneKeys {
  const key = (part: Part): string => `seckill:{${saleId}:${lane}}:${part}`;
  return {
    state: key('state'),
    items: key('items'),
    buyers: key('buyers'),
    channels: key('channels'),
    keys: key('keys'),
    holds: key('holds'),
    outbox: key('outbox'),
    lease: key('lease'),
    keeper: key('keeper'),
  };
}

/** The lane's member of `seckill:lanes`, also its name in logs and metrics. */
export function formatLane({ saleId, lane }: Lane): string {
  return `${saleId}:${lane}`;
}

/** Undefined when the member is none of ours. */
export function parseLane(member: string): Lane | undefined {
  const [, saleId, lane] = /^([a-z0-9-]+):(\d{1,4})$/.exec(member) ?? [];
  return saleId === undefined || lane === undefined ? undefined : { saleId, lane: Number(lane) };
}

/** The keys that each script takes, in the order of its header; every call passes them all. */
export const SCRIPT_PARTS = {
  reserve: ['state', 'items', 'buyers', 'channels', 'keys', 'holds', 'outbox'],
  load: ['state', 'items', 'buyers', 'channels', 'keys', 'holds', 'outbox'],
  open: ['state', 'outbox'],
  close: ['state'],
  control: ['state', 'items', 'channels'],
  count: ['state', 'items', 'outbox'],
  settle: ['state', 'items', 'buyers', 'channels', 'keys', 'holds'],
  retire: ['state', 'items', 'buyers', 'channels', 'keys', 'holds', 'outbox'],
  trim: ['lease', 'outbox'],
  lease: ['lease'],
} as const satisfies Record<string, Part[]>;
export type ScriptName = keyof typeof SCRIPT_PARTS;

export function scriptKeys(script: ScriptName, lane: Lane): string[] {
  const keys = laneKeys(lane);
  return SCRIPT_PARTS[script].map((part) => keys[part]);
}
