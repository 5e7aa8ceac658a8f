import { detailOf, type BuyerAnswer } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

type Rejection = Exclude<BuyerAnswer, { outcome: 'reserved' }>;

/**
 * How long a buyer waits who heard `outcome_unknown`. The time is longer than the second for which a gateway
 * may answer from memory (docs/recovery.md), and nothing is taken any more after it (`upstream/reserver.ts`).
 */
export const UNKNOWN_WAIT_SECONDS = 2;

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
    default:
      return new Problem(outcome, { extra: rest });
  }
}
