/** The lane cannot be opened or controlled now. Whoever asked repeats the call. */
export class LaneError extends Error {
  override readonly name = 'LaneError';
  readonly code: 'SECKILL_LANE_NOT_READY' | 'SECKILL_LANE_KEPT';

  /** @param kind `kept`: another process has the recovery lease of the lane. */
  constructor(message: string, kind: 'not_ready' | 'kept' = 'not_ready') {
    super(message);
    this.code = kind === 'kept' ? 'SECKILL_LANE_KEPT' : 'SECKILL_LANE_NOT_READY';
  }
}
