import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import {
  canonicalJson,
  macOfContact,
  type Contact,
  type Order,
  type ReserveItem,
  type SealedOrder,
} from '@seckill/contracts';
import type { Logger } from '@seckill/runtime';
import type { ContactKey } from './contact-keys.ts';

/** Whose contact it is. None of the two has a line feed. */
interface Owner {
  saleId: string;
  userId: string;
}

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES };
const SEALED = /^([\w-]{8})\.[\w-]{22}\.([\w-]+)$/;
/** 128 bits, as base64url. */
const MAC_LENGTH = 22;

/**
 * Seals the contacts of reservations and opens those of orders. Behind the gateway there are only sealed
 * ones: in Redis, in Kafka, in PostgreSQL and in the calls between services (D85). Nothing of a contact is
 * logged.
 */
export class Contacts {
  readonly #keys: readonly ContactKey[];
  readonly #logger: Pick<Logger, 'error'>;

  /** @param keys the first seals; empty: nothing is sealed, and nothing can be opened. */
  constructor(keys: readonly ContactKey[], logger: Pick<Logger, 'error'>) {
    this.#keys = keys;
    this.#logger = logger;
  }

  /**
   * Seals with the first key. `contactMacs` tells of the other keys, so that stock knows a repeat of what one
   * of them sealed.
   * @returns undefined without a key.
   */
  seal(contact: Contact, owner: Owner): Pick<ReserveItem, 'contact' | 'contactMacs'> | undefined {
    const [key, ...others] = this.#keys;
    if (key === undefined) return undefined;
    const text = canonicalJson(contact);
    const mac = macOf(key, text, owner);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key.sealing, nonce, CIPHER_OPTIONS);
    cipher.setAAD(boundTo(mac, owner));
    const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return {
      contact: `${mac}.${bytes.toString('base64url')}`,
      ...(others.length === 0 ? {} : { contactMacs: others.map((one) => macOf(one, text, owner)) }),
    };
  }

  /**
   * The order with its contact as its reader may see it. A contact that no key opens is left out, and logged
   * by the order's id: everything else of the order is true all the same.
   * @param userId of the order's buyer
   */
  open({ contact: sealed, ...order }: SealedOrder, userId: string): Order {
    const contact = this.read(sealed, { orderId: order.id, saleId: order.saleId, userId });
    return contact === undefined ? order : { ...order, contact };
  }

  /** Undefined also for a contact that no key opens, which is logged. */
  read(sealed: string | undefined, { orderId, ...owner }: Owner & { orderId: string }): Contact | undefined {
    if (sealed === undefined) return undefined;
    const [, keyId, ciphertext = ''] = SEALED.exec(sealed) ?? [];
    const key = this.#keys.find(({ id }) => id === keyId);
    const opened =
      key === undefined ? 'unknown_key' : openWith(key, { mac: macOfContact(sealed), ciphertext }, owner);
    if (typeof opened === 'object') return opened;
    this.#logger.error({ orderId, keyId, reason: opened }, 'a contact cannot be opened');
    return undefined;
  }
}

function openWith(
  key: ContactKey,
  { mac, ciphertext }: { mac: string; ciphertext: string },
  owner: Owner,
): Contact | 'not_genuine' {
  const bytes = Buffer.from(ciphertext, 'base64url');
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return 'not_genuine';
  const decipher = createDecipheriv(CIPHER, key.sealing, bytes.subarray(0, NONCE_BYTES), CIPHER_OPTIONS);
  decipher.setAAD(boundTo(mac, owner));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
    return JSON.parse(text + decipher.final('utf8')) as Contact;
  } catch {
    // Node says so of another key, of another owner and of a changed byte alike.
    return 'not_genuine';
  }
}

/** `<keyId>.<mac>`: the same for the same contact of the same owner, and for nobody without the key. */
function macOf({ id, mac }: ContactKey, text: string, { saleId, userId }: Owner): string {
  const hmac = createHmac('sha256', mac).update(`${saleId}\n${userId}\n${text}`);
  return `${id}.${hmac.digest('base64url').slice(0, MAC_LENGTH)}`;
}

/** A sealed contact that is moved to another buyer or sale, or given another mac, does not open. */
function boundTo(mac: string, { saleId, userId }: Owner): Buffer {
  return Buffer.from(`${mac}\n${saleId}\n${userId}`);
}
