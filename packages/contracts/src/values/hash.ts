/**
 * FNV-1a, 32 bits, over UTF-16 code units (ids are ASCII, so units are bytes).
 * Used to spread users over lanes and messages over partitions; not for secrets.
 * Source: IETF draft-eastlake-fnv.
 */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
