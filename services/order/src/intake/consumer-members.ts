import { MEMBER_SILENT_MS, type MemberStore, type Pool } from '@seckill/runtime';

/**
 * Keeps the members of one consumer group in Postgres, by its clock. A renewal does not wait for the disk:
 * a member whose last renewal was lost tells again, and a table without any names no dead member. Each
 * function throws pg's own error.
 */
export function createMemberStore(pool: Pool, groupId: string): MemberStore {
  const readSilent = async (): Promise<string[]> => {
    const { rows } = await pool.query<{ member_id: string }>(
      `SELECT member_id FROM consumer_members
       WHERE group_id = $1 AND told_at < clock_timestamp() - make_interval(secs => $2)`,
      [groupId, MEMBER_SILENT_MS / 1_000],
    );
    return rows.map(({ member_id }) => member_id);
  };
  return {
    readSilent,
    async renew(memberId) {
      await pool.query(
        `WITH unsynced AS (SELECT set_config('synchronous_commit', 'off', true))
         INSERT INTO consumer_members (group_id, member_id, told_at)
         SELECT $1, $2, clock_timestamp() FROM unsynced
         ON CONFLICT (group_id, member_id) DO UPDATE SET told_at = EXCLUDED.told_at`,
        [groupId, memberId],
      );
      return readSilent();
    },
    async forget(memberId) {
      await pool.query('DELETE FROM consumer_members WHERE group_id = $1 AND member_id = $2', [
        groupId,
        memberId,
      ]);
    },
  };
}
