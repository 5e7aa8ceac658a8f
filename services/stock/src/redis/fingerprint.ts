import { hash } from 'node:crypto';
import { canonicalJson, type ReserveItem } from '@seckill/contracts';

/** 22 base64url characters are 132 bits: no two requests share one by chance. */
const FINGERPRINT_LENGTH = 22;

/** What must be the same in a request when its key comes again (docs/http-api.md, "Conventions"). */
type Asked = Pick<ReserveItem, 'lines' | 'channelId' | 'ref' | 'metadata'>;

/**
 * The fingerprint of a request: its lines sorted by SKU, channelId, ref and metadata
 * (docs/http-api.md, "Conventions").
 */
export function fingerprintOf(asked: Asked): string {
  return hash('sha256', canonicalOf(asked), 'base64url').slice(0, FINGERPRINT_LENGTH);
}

/** Do both have the same fingerprint? */
export function isSameRequest(one: Asked, other: Asked): boolean {
  return canonicalOf(one) === canonicalOf(other);
}

function canonicalOf({ lines, channelId, ref, metadata }: Asked): string {
  const sorted = lines
    .map(({ sku, quantity }) => [sku, quantity] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const facts = JSON.stringify([sorted, channelId ?? null, ref ?? null]);
  // A request without metadata keeps the fingerprint that it had before there was any.
  return metadata === undefined ? facts : facts + canonicalJson(metadata);
}
