import { PaymentNotification } from '@seckill/contracts';
import { Compile } from 'typebox/compile';
import { scanJson, type Member } from './json-members.ts';

/** What a signed notice says. `unclear` means that it was not understood, so it is kept for a person. */
export type Reading =
  | { kind: 'payment'; notification: PaymentNotification }
  | { kind: 'ignored'; type: string }
  | { kind: 'unclear'; reason: string };

const schema = Compile(PaymentNotification);
const { type: typeSchema } = PaymentNotification.properties;

/**
 * Whole minor units, also as a program that knows only floats writes them. An exponent or a fraction is a
 * riddle.
 */
const WHOLE = /^\d+(\.0+)?$/;
/** Postgres refuses NUL, and a surrogate without its twin would be stored as another character. */
const UNSTORABLE = /\0|\p{Cs}/u;
/** Two of one of these would let us read one amount and another program another. */
const READ_PATHS = [
  'timestamp',
  'data',
  'data.orderId',
  'data.paymentId',
  'data.amount',
  'data.amount.amount',
  'data.amount.currency',
];

/**
 * Reads the bytes of a notice whose signature is right. Never throws, because after the signature a notice
 * is money, and what is not understood must not vanish. Fields that we do not know are ignored, wherever
 * they stand.
 */
export function readNotice(bytes: Buffer): Reading {
  let value: unknown;
  let members: Map<string, Member[]>;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
    members = scanJson(text);
  } catch (error) {
    return { kind: 'unclear', reason: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'unclear', reason: 'not a JSON object' };
  }
  const type: unknown = 'type' in value ? value.type : undefined;
  if (countOf(members, 'type') > 1) return { kind: 'unclear', reason: 'type stands twice' };
  if (typeof type !== 'string') return { kind: 'unclear', reason: 'type is no text' };
  if (type !== typeSchema.const) {
    // Ignored money would be gone. A type that differs in case or blanks alone is a mistake, and not
    // another type.
    if (type.trim().toLowerCase() !== typeSchema.const) return { kind: 'ignored', type };
    return { kind: 'unclear', reason: `type is not written ${typeSchema.const}` };
  }
  const twice = READ_PATHS.find((path) => countOf(members, path) > 1);
  if (twice !== undefined) return { kind: 'unclear', reason: `${twice} stands twice` };
  if (!schema.Check(value)) return { kind: 'unclear', reason: describe(value) };
  const amount = members.get('data.amount.amount')?.[0]?.text ?? '';
  if (!WHOLE.test(amount))
    return { kind: 'unclear', reason: 'data.amount.amount is not written as an integer' };
  if (!Number.isSafeInteger(value.data.amount.amount)) {
    return { kind: 'unclear', reason: 'data.amount.amount is beyond 2^53' };
  }
  if (UNSTORABLE.test(value.timestamp)) {
    return { kind: 'unclear', reason: 'timestamp has a character that cannot be stored' };
  }
  return { kind: 'payment', notification: value };
}

const countOf = (members: Map<string, Member[]>, path: string) => members.get(path)?.length ?? 0;

function describe(value: unknown): string {
  const [first] = schema.Errors(value);
  if (first === undefined) return 'does not fit';
  const path = first.instancePath.split('/').slice(1).join('.');
  return `${path === '' ? 'the notice' : path} ${first.message}`;
}
