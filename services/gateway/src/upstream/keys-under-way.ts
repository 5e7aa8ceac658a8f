import { canonicalJson, macOfContact, type BuyerAnswer, type ReserveItem } from '@seckill/contracts';

/**
 * Reservations that wait for stock. A repeat of one that comes meanwhile to the same gateway waits for the
 * same answer. The repeat could otherwise overtake the first on another call, or be answered "sold out" from
 * memory, and the first would take the unit all the same: the "no" would not be final (INV-4).
 */
export class KeysUnderWay {
  readonly #waiting = new Map<string, { item: ReserveItem; answer: Promise<BuyerAnswer> }>();

  /** The answer for which the same request waits already. */
  find(item: ReserveItem): Promise<BuyerAnswer> | undefined {
    const one = this.#waiting.get(keyOf(item));
    // Another request under the same key is stock's to refuse.
    return one !== undefined && requestOf(one.item) === requestOf(item) ? one.answer : undefined;
  }

  /** Remembers until there is an answer. There are never more than the requests that the gateway takes. */
  add(item: ReserveItem, answer: Promise<BuyerAnswer>): void {
    const key = keyOf(item);
    if (this.#waiting.has(key)) return;
    this.#waiting.set(key, { item, answer });
    const forget = () => this.#waiting.delete(key);
    answer.then(forget, forget);
  }
}

// None of the three has a space.
const keyOf = ({ saleId, userId, idempotencyKey }: ReserveItem) => `${saleId} ${userId} ${idempotencyKey}`;

/** Equal for requests of one fingerprint. */
function requestOf({ lines, channelId, ref, metadata, contact }: ReserveItem): string {
  const sorted = lines.map(({ sku, quantity }) => `${sku} ${quantity}`).sort();
  // One process seals with one key, so the same contact has the same mac.
  const mac = contact === undefined ? undefined : macOfContact(contact);
  const facts = JSON.stringify([sorted, channelId, ref, mac]);
  return metadata === undefined ? facts : facts + canonicalJson(metadata);
}
