import { hash } from 'node:crypto';
import { canonicalJson, ERASED_CONTACT, macOfContact, type ReserveItem } from '@seckill/contracts';

/** 22 base64url characters are 132 bits: no two requests share one by chance. */
const FINGERPRINT_LENGTH = 22;

/** What must be the same in a request when its key comes again (docs/http-api.md, "Conventions"). */
type Asked = Pick<ReserveItem, 'lines' | 'channelId' | 'ref' | 'metadata'>;

/**
 * The fingerprint of a request: its lines sorted by SKU, channelId, ref and metadata. A contact has no part
 * in it, so that the fingerprint tells nothing of a contact that was erased.
 */
export function fingerprintOf(asked: Asked): string {
  return hash('sha256', canonicalOf(asked), 'base64url').slice(0, FINGERPRINT_LENGTH);
}

/** Has the key come with the same request again? The contact counts too (docs/http-api.md, "Conventions"). */
export function isSameRequest(
  kept: Asked & { contact?: string },
  asked: Asked & Pick<ReserveItem, 'contact' | 'contactMacs'>,
): boolean {
  return canonicalOf(kept) === canonicalOf(asked) && isSameContact(kept.contact, asked);
}

/** Stock has no key: it compares what the gateway says of the contact under each of its keys (D85). */
function isSameContact(
  kept: string | undefined,
  { contact, contactMacs = [] }: Pick<ReserveItem, 'contact' | 'contactMacs'>,
): boolean {
  if (kept === undefined || contact === undefined) return kept === contact;
  // What an operator has erased cannot be told from another one. The buyer hears the first answer (INV-4).
  if (kept === ERASED_CONTACT) return true;
  const mac = macOfContact(kept);
  return mac === macOfContact(contact) || contactMacs.includes(mac);
}

function canonicalOf({ lines, channelId, ref, metadata }: Asked): string {
  const sorted = lines
    .map(({ sku, quantity }) => [sku, quantity] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const facts = JSON.stringify([sorted, channelId ?? null, ref ?? null]);
  // A request without metadata keeps the fingerprint that it had before there was any.
  return metadata === undefined ? facts : facts + canonicalJson(metadata);
}
