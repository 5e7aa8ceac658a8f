import { Type, type Static } from 'typebox';
import { LIMITS } from '../values/limits.ts';
import { plainText } from '../values/text.ts';

const text = (lengthMax: number) => Type.Optional(Type.String({ pattern: plainText(lengthMax) }));

/** Whom a shop speaks with about an order: personal data, which nothing but the gateway ever reads. */
export const Contact = Type.Object(
  {
    name: text(LIMITS.contactNameLengthMax),
    phone: text(LIMITS.contactPhoneLengthMax),
    note: text(LIMITS.contactNoteLengthMax),
    /** Who comes for the units, if it is not the buyer. */
    pickupPerson: text(LIMITS.contactNameLengthMax),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type Contact = Static<typeof Contact>;

/**
 * `<keyId>.<mac>.<ciphertext>`, as the gateway seals a contact (D85). The text is another one each time;
 * `<keyId>.<mac>` is the same for the same contact of the same buyer in the same sale.
 */
export const SealedContact = Type.String({
  pattern: '^[A-Za-z0-9_-]{8}\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{38,2400}$',
});

/** `<keyId>.<mac>` */
export const ContactMac = Type.String({ pattern: '^[A-Za-z0-9_-]{8}\\.[A-Za-z0-9_-]{22}$' });

/** Stands where a sealed contact stood that was erased. Nothing tells any more what it was. */
export const ERASED_CONTACT = 'erased';

/** The `<keyId>.<mac>` of a sealed contact. */
export function macOfContact(sealed: string): string {
  return sealed.slice(0, sealed.lastIndexOf('.'));
}
