import { Type } from 'typebox';

/** A text in both languages of the API. */
export interface Translation {
  en: string;
  zh: string;
}

// C0, DEL and C1 control characters, lone surrogates and the two separators of lines are refused: PostgreSQL
// cannot store NUL, and such a text is one line.
const LINE_CHARACTER = '[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff\\u2028\\u2029]';

// Of what Unicode calls "default ignorable", a text may have what honest writing needs beside what can be
// seen: joiners (emoji, Persian, Hindi), variation selectors (emoji, names in Han characters), tags (flags),
// the grapheme joiner, vowels and selectors of Khmer and Mongolian, and the marks of a direction (U+061C,
// U+200E, U+200F), which turn nothing and stand in honest Arabic and Hebrew. All else shows nothing: two refs
// would look the same. Among it are the embeddings, overrides and isolates of UAX #9: a page would show
// another text than is stored.
const HONEST_IGNORABLE =
  '[\\u034f\\u061c\\u17b4\\u17b5\\u180b-\\u180d\\u180f\\u200c-\\u200f\\ufe00-\\ufe0f\\u{e0020}-\\u{e007f}\\u{e0100}-\\u{e01ef}]';
// The annotation marks U+FFF9 to U+FFFB are format characters that are not "default ignorable".
const PLAIN_CHARACTER = `(?:${HONEST_IGNORABLE}|(?![\\p{Default_Ignorable_Code_Point}\\ufff9-\\ufffb])${LINE_CHARACTER})`;

// Letters, numbers, punctuation and symbols, but those that show nothing: what Unicode calls "default
// ignorable" (Hangul fillers are letters by category) and the empty Braille pattern.
const VISIBLE_CHARACTER = '(?![\\p{Default_Ignorable_Code_Point}\\u2800])[\\p{L}\\p{N}\\p{P}\\p{S}]';

/**
 * The pattern of a text that people read: one line of 1 to `lengthMax` characters (Unicode code points), of
 * which at least one can be seen.
 */
export function plainText(lengthMax: number): string {
  return `^(?=.*${VISIBLE_CHARACTER})${PLAIN_CHARACTER}{1,${lengthMax}}$`;
}

/**
 * A text of a shop: one text for everyone, or one for each language of the API. It comes back in the form in
 * which it was sent.
 */
export function localText(lengthMax: number) {
  const text = Type.String({ pattern: plainText(lengthMax) });
  return Type.Union([text, Type.Object({ zh: text, en: text }, { additionalProperties: false })]);
}
