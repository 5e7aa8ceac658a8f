import { createHash } from 'node:crypto';
import type { ReserveItem } from '@seckill/contracts';

/** 22 base64url characters are 132 bits: no two requests share one by chance. */
const FINGERPRINT_LENGTH = 22;

/** Of a request: its lines sorted by SKU, channelId and ref (contract.md, "Reserve"). */
export function fingerprintOf({
  lines,
  channelId,
  ref,
}: Pick<ReserveItem, 'lines' | 'channelId' | 'ref'>): string {
  const sorted = lines
    .map(({ sku, quantity }) => [sku, quantity] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const canonical = JSON.stringify([sorted, channelId ?? null, ref ?? null]);
  return createHash('sha256').update(canonical).digest('base64url').slice(0, FINGERPRINT_LENGTH);
}
