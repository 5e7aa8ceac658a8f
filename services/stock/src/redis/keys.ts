/**
 * Every Redis key of the project. The formats of the values stand in scripts/lua/README.md.
 *
 *   seckill:lanes                         SET     the lanes that exist, `<saleId>:<lane>`
 *   seckill:{seckill:lanes}:settlers              SET     members of the consumer group of the settlers
 *   seckill:{seckill:lanes}:settler:<memberId>    STRING  lives as long as this member tells that it does
 *   seckill:{<saleId>:<lane>}:state       HASH    gate, epoch, control state, counts of items and of channels
 *   seckill:{<saleId>:<lane>}:buyers      HASH    user → units, holds, last unpaid end
 *   seckill:{<saleId>:<lane>}:keys        HASH    hash of user and key → record of a settled reservation
 *   seckill:{<saleId>:<lane>}:holds       HASH    hash of user and key → record of a live reservation
 *   seckill:{<saleId>:<lane>}:returns     HASH    hash of user and key → what came back of a paid order
 *   seckill:{<saleId>:<lane>}:outbox      STREAM  reservations that the relay has not brought to Kafka yet
 *   seckill:{<saleId>:<lane>}:lease       STRING  token of the relay that serves the outbox
 *   seckill:{<saleId>:<lane>}:recovery    STRING  token of the process that checks or rebuilds the lane
 *
 * The braces are Redis Cluster's hash tag: all keys of a lane live on one node (D13).
 */
export interface Lane {
  saleId: string;
  lane: number;
}

/**
 * Field of `buyers`, `keys`, `holds` and `returns` of a lane that was loaded on a cluster, which is no buyer
 * and no reservation (scripts/lua/include/stamps.lua). No user and no hash has a space in it.
 */
export const STAMP = 'last write';

/** Lanes of every sale, until a sale can have several (D13). */
export const LANES_PER_SALE = 1;

export const LANES_KEY = 'seckill:lanes';

/** On a cluster these live where the list of lanes does: their hash tag is the whole name of that key. */
export const MEMBERS_KEY = `seckill:{${LANES_KEY}}:settlers`;
export const memberKey = (memberId: string): string => `seckill:{${LANES_KEY}}:settler:${memberId}`;

type Part = 'state' | 'buyers' | 'keys' | 'holds' | 'returns' | 'outbox' | 'lease' | 'recovery';
export type LaneKeys = Record<Part, string>;

export function laneKeys({ saleId, lane }: Lane): LaneKeys {
  const prefix = `seckill:{${saleId}:${lane}}:`;
  return {
    state: `${prefix}state`,
    buyers: `${prefix}buyers`,
    keys: `${prefix}keys`,
    holds: `${prefix}holds`,
    returns: `${prefix}returns`,
    outbox: `${prefix}outbox`,
    lease: `${prefix}lease`,
    recovery: `${prefix}recovery`,
  };
}

/** The lane's member of `seckill:lanes`; also the lane's name in logs and metrics. */
export function formatLane({ saleId, lane }: Lane): string {
  return `${saleId}:${lane}`;
}

/** Undefined when the member names no lane. */
export function parseLane(member: string): Lane | undefined {
  const [, saleId, lane] = /^([a-z0-9-]+):(\d{1,4})$/.exec(member) ?? [];
  return saleId === undefined || lane === undefined ? undefined : { saleId, lane: Number(lane) };
}

/** The keys that each script takes, in the order of its header. Every call passes all of them. */
export const SCRIPT_PARTS = {
  reserve: ['state', 'buyers', 'keys', 'holds', 'outbox'],
  load: ['state', 'buyers', 'keys', 'holds', 'outbox', 'returns'],
  open: ['state', 'buyers', 'keys', 'holds', 'outbox', 'returns'],
  close: ['state'],
  control: ['state'],
  inspect: ['state', 'outbox', 'holds', 'buyers', 'keys', 'returns'],
  settle: ['state', 'buyers', 'keys', 'holds'],
  return: ['state', 'buyers', 'keys', 'returns'],
  retake: ['state', 'buyers', 'keys', 'holds', 'outbox'],
  retire: ['state', 'buyers', 'keys', 'holds', 'outbox', 'returns'],
  trim: ['lease', 'outbox'],
  lease: ['lease'],
} as const satisfies Record<string, Part[]>;
export type ScriptName = keyof typeof SCRIPT_PARTS;

export function scriptKeys(script: ScriptName, lane: Lane): string[] {
  const keys = laneKeys(lane);
  return SCRIPT_PARTS[script].map((part) => keys[part]);
}
