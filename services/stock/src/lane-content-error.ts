/**
 * What stands in a lane was not written by our scripts: somebody else wrote it, or a disk did. The error is
 * no bug of this process, which goes on for all other lanes. The lane is loaded anew from PostgreSQL.
 */
export class LaneContentError extends Error {
  override readonly name = 'LaneContentError';
  readonly code = 'SECKILL_LANE_CONTENT';
}

/**
 * `reserve.lua`'s own word for counts that contradict each other, and errors of its code or of the keys'
 * types. (Redis 7 begins errors of a script's code with the place in it.) An outbox that had a higher id than
 * ours takes no entry any more.
 */
const BROKEN =
  /^(SECKILL_LANE_BROKEN |WRONGTYPE |ERR user_script|ERR The ID specified in XADD |ERR The stream has exhausted )/;

/**
 * Whether a part of the lane is missing or old (D101). Whoever looks at the lane sees that too, and one load
 * mends it for all processes.
 */
export function isTornLane(error: Error): boolean {
  return error.message.startsWith('SECKILL_LANE_BROKEN parts of different instants');
}

/** Whether the lane itself is the reason why it cannot sell. Others mean that Redis cannot serve now. */
export function isBrokenLane(error: Error): boolean {
  return error instanceof LaneContentError || BROKEN.test(error.message);
}
