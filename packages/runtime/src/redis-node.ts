import type { Redis } from 'ioredis';
import type { Logger } from './logger.ts';
import { createRedis, RedisPolicyError } from './redis.ts';

/** What a node of a Redis Cluster says of itself, and which primaries it knows (CLUSTER NODES). */
export interface RedisNode {
  id: string;
  /** The node's epoch. When two nodes claim a slot, the one with the higher epoch has it. */
  configEpoch: number;
  /** First and last slot of each range that the node serves. */
  slots: [number, number][];
  /**
   * Slots on their way from or to this node, or whose move began and has not ended. Some keys may be here and
   * some there.
   */
  moving: ReadonlySet<number>;
  /** `host:port` of the primaries that serve slots and are not given up, this one included. */
  primaries: string[];
}

const SLOTS = 16_384;

/** @throws ioredis' error; RangeError when the answer does not tell who answered. */
export async function readNode(redis: Redis): Promise<RedisNode> {
  return parseNodes(String(await redis.cluster('NODES')), redis.options.host ?? '');
}

/**
 * URLs of the primaries that any of these nodes knows, with the protocol, user and password of `url`. Where
 * nodes disagree, a node that is asked in vain says so.
 */
export function toPrimaryUrls(nodes: RedisNode[], url: string): Set<string> {
  return new Set(
    nodes.flatMap(({ primaries }) =>
      primaries.map((address) => {
        const primary = new URL(url);
        primary.host = address;
        return primary.href;
      }),
    ),
  );
}

/**
 * Asks the node that `url` leads to. @throws RedisPolicyError when it is no node of a cluster; ioredis'
 * error.
 */
export async function askPrimaryUrls(url: string, logger: Logger): Promise<Set<string>> {
  // INFO is not used, because the gateway's user may not ask for it.
  const redis = createRedis(url, logger, { enableReadyCheck: false });
  try {
    await redis.connect();
    return toPrimaryUrls([await readNode(redis)], url);
  } catch (error) {
    // These are Redis' own words.
    if (!/cluster support disabled/.test(String(error))) throw error;
    throw new RedisPolicyError('this Redis is no node of a cluster: see REDIS_CLUSTER');
  } finally {
    redis.disconnect();
  }
}

/**
 * `host` is where the node that answered was reached. The node does not know its host itself before it has
 * met another node.
 */
export function parseNodes(text: string, host: string): RedisNode {
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseLine(line, host));
  const own = lines.find(({ flags }) => flags.includes('myself'));
  if (own === undefined) throw new RangeError('CLUSTER NODES names nobody as the node that answered');
  return {
    id: own.id,
    configEpoch: own.configEpoch,
    slots: own.flags.includes('master') ? own.slots : [],
    moving: new Set(own.moving),
    primaries: lines.filter(isServing).map(({ address }) => address),
  };
}

interface Line {
  id: string;
  address: string;
  flags: string[];
  configEpoch: number;
  slots: [number, number][];
  moving: number[];
}

/**
 * `id ip:port@bus[,hostname] flags primary ping pong epoch link slots…`; a slot on its way is `[slot->-id]`,
 * `[slot-<-id]`.
 */
function parseLine(line: string, host: string): Line {
  const [id = '', place = '', flags = '', , , , configEpoch = '', , ...slots] = line.split(' ');
  const [endpoint = '', hostname = ''] = place.split(',');
  const [, ip = '', port = ''] = /^(.*):(\d+)(?:@\d+)?$/.exec(endpoint) ?? [];
  const named = hostname === '' ? ip || host : hostname;
  return {
    id,
    address: `${named.includes(':') ? `[${named}]` : named}:${port}`,
    flags: flags.split(','),
    configEpoch: Number(configEpoch),
    slots: slots.filter((one) => !one.startsWith('[')).map(parseRange),
    moving: slots.filter((one) => one.startsWith('[')).map((one) => Number.parseInt(one.slice(1), 10)),
  };
}

function parseRange(text: string): [number, number] {
  const [first = '', last = first] = text.split('-');
  return [Number(first), Number(last)];
}

/** `fail`: most primaries have given it up, and a replica takes over. `fail?` alone is one node's opinion. */
function isServing({ flags, slots }: Line): boolean {
  return flags.includes('master') && slots.length > 0 && !flags.some((flag) => GONE.has(flag));
}

const GONE = new Set(['fail', 'handshake', 'noaddr']);

/**
 * The slot of a key, or of what stands between its braces: CRC16-XMODEM modulo 16,384 (Redis Cluster's
 * specification).
 */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x80_00 ? (crc << 1) ^ 0x10_21 : crc << 1) & 0xff_ff;
  }
  return crc % SLOTS;
}
