/**
 * What stands in a lane was not written by our scripts: somebody else wrote it, or a disk did. It is no bug of
 * this process, which goes on for all other lanes. The lane is loaded anew from PostgreSQL.
 */
export class LaneContentError extends Error {
  override readonly name = 'LaneContentError';
  readonly code = 'SECKILL_LANE_CONTENT';
}

/**
 * Our scripts' own word for counts that contradict each other, errors of their code or of the keys' types, and
 * an outbox whose last id is beyond all of ours.
 * Then this lane is broken, and only this one. Everything else means that Redis cannot serve now. (Redis 7
 * begins errors of a script's code with the place in it.)
 */
const BROKEN = /^(SECKILL_|WRONGTYPE |ERR user_script|ERR The ID specified in XADD)/;

/** Whether the lane itself is the reason, so that no repeat will succeed. */
export function isBrokenLane(error: unknown): error is Error {
  return error instanceof LaneContentError || (error instanceof Error && BROKEN.test(error.message));
}
