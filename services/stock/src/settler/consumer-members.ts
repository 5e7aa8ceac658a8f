import { MEMBER_SILENT_MS, type MemberStore } from '@seckill/runtime';
import { memberKey, MEMBERS_KEY } from '../redis/keys.ts';
import type { Connections } from '../redis/connections.ts';

/**
 * The settlers' consumer group in Redis, by Redis' clock. A member lives as long as its key, which it writes
 * over and over. Each function throws ioredis' error, or UnservedError while the node with these keys is
 * away.
 */
export function createMemberStore(connections: Pick<Connections, 'registry'>): MemberStore {
  const readSilent = async (): Promise<string[]> => {
    const { redis } = connections.registry;
    const members = await redis.smembers(MEMBERS_KEY);
    if (members.length === 0) return [];
    const alive = await redis.mget(members.map(memberKey));
    return members.filter((_member, index) => alive[index] === null);
  };
  return {
    readSilent,
    async renew(memberId) {
      const { redis } = connections.registry;
      // The key comes first: a member on the list without a key would be silent from its first moment.
      await redis.set(memberKey(memberId), '1', 'PX', MEMBER_SILENT_MS);
      await redis.sadd(MEMBERS_KEY, memberId);
      return readSilent();
    },
    async forget(memberId) {
      const { redis } = connections.registry;
      await redis.srem(MEMBERS_KEY, memberId);
      await redis.del(memberKey(memberId));
    },
  };
}
