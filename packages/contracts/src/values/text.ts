import { Type } from 'typebox';

/** A text in both languages of the API. */
export interface Translation {
  en: string;
  zh: string;
}

// C0, DEL and C1 control characters, lone surrogates and the two separators of lines are refused: PostgreSQL
// cannot store NUL, and such a text is one line. So are the characters that turn the direction of what
// follows (Unicode UAX #9, embeddings, overrides and isolates): they make a page show another text than is
// stored. The marks of a direction (U+200E, U+200F) turn nothing and stand in honest Arabic and Hebrew.
const PLAIN_CHARACTER =
  '[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]';

// Letters, numbers, punctuation and symbols, but those that show nothing: what Unicode calls "default
// ignorable" (Hangul fillers are letters by category), the empty Braille pattern, the null notehead of music,
// the blanks of Egyptian hieroglyphs and the place of an object that is not there.
const VISIBLE_CHARACTER =
  '(?![\\p{Default_Ignorable_Code_Point}\\u2800\\u{1d159}\\u{13441}\\u{13442}\\ufffc])[\\p{L}\\p{N}\\p{P}\\p{S}]';

/**
 * The pattern of a text that people read: one line of 1 to `lengthMax` characters (Unicode code points), of
 * which at least one can be seen.
 */
export function plainText(lengthMax: number): string {
  return `^(?=.*${VISIBLE_CHARACTER})${PLAIN_CHARACTER}{1,${lengthMax}}$`;
}

/**
 * A text of a shop: one text for everyone, or one for each language of the API. The text comes back in the
 * form in which it was sent.
 */
export function localText(lengthMax: number) {
  const text = Type.String({ pattern: plainText(lengthMax) });
  return Type.Union([text, Type.Object({ zh: text, en: text }, { additionalProperties: false })]);
}
