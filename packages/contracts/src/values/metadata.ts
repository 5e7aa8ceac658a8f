import { Type } from 'typebox';
import { LIMITS } from './limits.ts';

/**
 * What a shop keeps with a sale, an item, a channel or a reservation for its own programs. Nothing here reads
 * it. What a schema cannot say of it, `isValidMetadata` checks.
 */
export type Metadata = Record<string, unknown>;
export const Metadata = Type.Unsafe<Metadata>({ type: 'object', additionalProperties: true });

/**
 * Is it small, flat and exact enough to come back as it was sent? PostgreSQL cannot keep NUL, UTF-8 has no
 * lone surrogates, and a number beyond 2^53 would come back as another one.
 */
export function isValidMetadata(metadata: Metadata): boolean {
  return isValid(metadata, 1) && byteLength(JSON.stringify(metadata)) <= LIMITS.metadataBytesMax;
}

function isValid(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return isValidText(value);
  if (typeof value === 'number') {
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  }
  if (typeof value !== 'object' || value === null) return true;
  // Deeper than allowed is refused before it is walked, so the walk itself is bounded.
  if (depth > LIMITS.metadataDepthMax) return false;
  return Object.entries(value).every(([name, member]) => isValidText(name) && isValid(member, depth + 1));
}

const INVALID_CHARACTER = /\0|\p{Surrogate}/u;
const isValidText = (text: string) => !INVALID_CHARACTER.test(text);

const encoder = new TextEncoder();
const byteLength = (text: string) => encoder.encode(text).length;

/** JSON with the members of every object in order: equal texts for values that say the same. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
