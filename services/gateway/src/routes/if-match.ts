import { detailOf } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';

/**
 * The version that an operator's change depends on, such as `"3"`. Undefined when the operator names none.
 * @throws Problem `invalid_request` for anything else, `*` and lists too: a condition that was ignored would
 * be taken for one that holds.
 */
export function readIfMatch(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const version = /^"([1-9]\d{0,14})"$/.exec(String(header))?.[1];
  if (version !== undefined) return Number(version);
  throw new Problem('invalid_request', {
    detail: detailOf('missing_or_malformed', { field: 'If-Match' }),
    extra: { field: 'If-Match' },
  });
}
