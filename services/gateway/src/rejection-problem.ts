import { detailOf, type ReserveAnswer } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

type Rejection = Exclude<ReserveAnswer, { outcome: 'reserved' }>;

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
        // Longer than the second for which a gateway may answer from memory (docs/recovery.md).
        retryAfterSeconds: 2,
      });
    default:
      return new Problem(outcome, { extra: rest });
  }
}
