import Negotiator from 'negotiator';
import type { Translation } from '@seckill/contracts';
import type { FastifyReply } from 'fastify';

export type Language = keyof Translation;

/** The tags as `Content-Language` names them. */
const TAGS: Record<Language, string> = { en: 'en', zh: 'zh-CN' };
export const LANGUAGES = Object.keys(TAGS);

/** Browsers of one sale send a handful of headers, and the same ones again and again. */
const REMEMBERED_MAX = 1_000;
const REMEMBERED_LENGTH_MAX = 256;
const remembered = new Map<string, Language>();

/**
 * The language that a client likes best by `Accept-Language`, quality values and all (RFC 9110, 12.5.4).
 * English answers those who name no language, or none that we have.
 */
export function languageOf(acceptLanguage: string | undefined): Language {
  if (acceptLanguage === undefined) return 'en';
  const known = remembered.get(acceptLanguage);
  if (known !== undefined) return known;
  const headers = { 'accept-language': acceptLanguage };
  const language = new Negotiator({ headers }).language(LANGUAGES) === 'zh' ? 'zh' : 'en';
  if (acceptLanguage.length <= REMEMBERED_LENGTH_MAX) {
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(acceptLanguage, language);
  }
  return language;
}

/** Tells readers and caches that the text of an answer went by `Accept-Language`. */
export function tellLanguage(reply: FastifyReply, language: Language): void {
  reply.header('content-language', TAGS[language]);
  addVary(reply, 'accept-language');
}

/** Adds to what an answer varies by. Several parts of an app may each know of a header. */
export function addVary(reply: FastifyReply, field: string): void {
  const before = reply.getHeader('vary');
  if (before === undefined) {
    reply.header('vary', field);
    return;
  }
  const text = String(before);
  const known = joined.get(field) ?? new Map<string, string>();
  let after = known.get(text);
  if (after === undefined) {
    after = fieldsOf(text).includes(field) ? text : `${text}, ${field}`;
    if (known.size < JOINED_MAX) joined.set(field, known.set(text, after));
  }
  if (after !== text) reply.header('vary', after);
}

/** By the field, and by what stood there before it. Fields are our own words; a proxy's may come before. */
const joined = new Map<string, Map<string, string>>();
const JOINED_MAX = 100;

/** A name may stand within another one, as `accept` in `accept-language`. */
const fieldsOf = (vary: string): string[] => vary.toLowerCase().split(/\s*,\s*/);
