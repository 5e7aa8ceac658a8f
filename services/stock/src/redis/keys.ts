/**
 * Every Redis key of the project. Formats of the values: scripts/lua/README.md.
 *
 *   seckill:lanes                       SET     the lanes that exist, `<saleId>:<lane>`
 *   {seckill:lanes}:settlers            SET     members of the settlers' consumer group
 *   {seckill:lanes}:settler:<memberId>  STRING  lives as long as this member tells that it does
 *   seckill:{<saleId>:<lane>}:state     HASH    gate, epoch, control state, counts by SKU, cap and units by channel
 *   seckill:{<saleId>:<lane>}:buyers    HASH    units by user
 *   seckill:{<saleId>:<lane>}:keys      HASH    hash of user and key → record of a reservation that has ended
 *   seckill:{<saleId>:<lane>}:holds     HASH    hash of user and key → record of a live reservation
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

/** On a cluster they live where the list of lanes does: the hash tag is that key's whole name. */
export const MEMBERS_KEY = `{${LANES_KEY}}:settlers`;
export const memberKey = (memberId: string): string => `{${LANES_KEY}}:settler:${memberId}`;

type Part = 'state' | 'buyers' | 'keys' | 'holds' | 'outbox' | 'lease' | 'keeper';
export type LaneKeys = Record<Part, string>;

export function laneKeys({ saleId, lane }: Lane): LaneKeys {
  const key = (part: Part): string => `seckill:{${saleId}:${lane}}:${part}`;
  return {
    state: key('state'),
    buyers: key('buyers'),
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
  reserve: ['state', 'buyers', 'keys', 'holds', 'outbox'],
  load: ['state', 'buyers', 'keys', 'holds', 'outbox'],
  open: ['state', 'outbox'],
  close: ['state'],
  control: ['state'],
  count: ['state', 'outbox'],
  settle: ['state', 'buyers', 'keys', 'holds'],
  retire: ['state', 'buyers', 'keys', 'holds', 'outbox'],
  trim: ['lease', 'outbox'],
  lease: ['lease'],
} as const satisfies Record<string, Part[]>;
export type ScriptName = keyof typeof SCRIPT_PARTS;

export function scriptKeys(script: ScriptName, lane: Lane): string[] {
  const keys = laneKeys(lane);
  return SCRIPT_PARTS[script].map((part) => keys[part]);
}
