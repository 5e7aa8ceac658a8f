import { detailOf, IdempotencyKey } from '@seckill/contracts';
import { Problem } from '@seckill/runtime';
import { Compile } from 'typebox/compile';

const idempotencyKey = Compile(IdempotencyKey);

/**
 * The key as the client means it: a structured-field string (draft-ietf-httpapi-idempotency-key-header)
 * equals the bare text within its quotes.
 * @throws Problem `invalid_request` when it is missing or malformed.
 */
export function readIdempotencyKey(header: string | string[] | undefined): string {
  if (typeof header === 'string') {
    const isQuoted = header.length >= 2 && header.startsWith('"') && header.endsWith('"');
    const key = isQuoted ? header.slice(1, -1).replace(/\\(["\\])/g, '$1') : header;
    if (idempotencyKey.Check(key)) return key;
  }
  throw new Problem('invalid_request', {
    detail: detailOf('key_malformed'),
    extra: { field: 'Idempotency-Key' },
  });
}
