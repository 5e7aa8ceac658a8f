import type { SaleToLoad } from '@seckill/contracts';
import type { Lane } from '../../redis/keys.ts';

/** A lane as order listed it, and as it was seen last. */
export interface ListedLane extends Lane {
  mayRetire: boolean;
  /** The newest epoch of the sale. */
  saleEpoch: number;
  /** The identity of the Redis under which it was seen open. Undefined: it must be looked at. */
  goodUnder: string | undefined;
  epoch: number;
  isThere: boolean;
  /**
   * Since when it was seen closed or out of reach, by our own clock. A person reads it, and nothing hangs on
   * it.
   */
  closedSince?: number;
  /** Rises whenever something is told of it. What was read before is no longer believed then. */
  turn: number;
}

/** A lane that does not sell, or must not. */
export interface ClosedLane {
  lane: ListedLane;
  /** A lane at this epoch or below is loaded anew. */
  distrustedEpoch: number;
}

/** The lanes of a sale as order lists it, of which nothing was seen yet. */
export function listedLanesOf({ saleId, epoch, mayRetire, lanes }: SaleToLoad): ListedLane[] {
  return Array.from({ length: lanes }, (_, lane) => ({
    saleId,
    lane,
    mayRetire,
    saleEpoch: epoch,
    goodUnder: undefined,
    epoch: 0,
    isThere: false,
    turn: 0,
  }));
}
