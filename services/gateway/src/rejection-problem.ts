import { detailOf, type BuyerAnswer } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

type Rejection = Exclude<BuyerAnswer, { outcome: 'reserved' }>;

/**
 * How long a buyer waits who heard `outcome_unknown`. The time is longer than the second for which a gateway
 * may answer from memory (docs/recovery.md), and nothing is taken any more after it (`upstream/reserver.ts`).
 */
export const UNKNOWN_WAIT_SECONDS = 2;

/**
 * How long to wait where nobody knows how long it takes. A cancelled hold is settled within a second, but
 * nobody knows whether one will be cancelled, paid or expire.
 */
const RETRY_AFTER_SECONDS = {
  sale_paused: 5,
  item_paused: 5,
  sold_out: 2,
  limit_reached: 1,
  channel_full: 2,
};

/** An older stock does not say it of each outcome, and a repeat is harmless. */
const isRetryable = ({ retryable }: { retryable?: boolean }): boolean => retryable !== false;

/** A rejected reservation as the error that the contract names, with its extra fields. */
export function rejectionProblem(rejection: Rejection): Problem {
  const { outcome, ...rest } = rejection;
  switch (rejection.outcome) {
    case 'sale_not_open':
      return new Problem(outcome, {
        extra: { opensAt: rejection.opensAt },
        // Rounded up: a client that waits exactly this long must find the sale open.
        retryAfterSeconds: Math.max(1, Math.ceil(rejection.waitMs / 1_000)),
      });
    case 'rejoin_later':
      return new Problem(outcome, {
        extra: { retryable: isRetryable(rejection) },
        ...(isRetryable(rejection) ? { retryAfterSeconds: Math.ceil(rejection.waitMs / 1_000) } : {}),
      });
    case 'sale_unavailable':
      return new Problem(outcome);
    case 'invalid_request':
      return new Problem(outcome, {
        detail: detailOf('schema_other', { field: rejection.field }),
        extra: rest,
      });
    case 'internal':
      return new Problem(outcome, { detail: detailOf('unexpected') });
    case 'outcome_unknown':
      return new Problem(outcome, {
        detail: detailOf('reservation_unknown'),
        retryAfterSeconds: UNKNOWN_WAIT_SECONDS,
      });
    case 'sale_paused':
      return new Problem(outcome, { retryAfterSeconds: RETRY_AFTER_SECONDS.sale_paused });
    case 'item_paused':
    case 'sold_out':
    case 'limit_reached':
    case 'channel_full':
      return new Problem(outcome, {
        extra: { ...rest, retryable: isRetryable(rejection) },
        ...(isRetryable(rejection) ? { retryAfterSeconds: RETRY_AFTER_SECONDS[rejection.outcome] } : {}),
      });
    default:
      return new Problem(outcome, { extra: rest });
  }
}
