import { detailOf, type DetailKey } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

/** Says of a field of a request what no schema could. @throws Problem `invalid_request`, always. */
export function refuse(
  key: DetailKey,
  field: string,
  values?: { max?: number; depth?: number; limit?: number },
): never {
  throw new Problem('invalid_request', { detail: detailOf(key, { field, ...values }), extra: { field } });
}
