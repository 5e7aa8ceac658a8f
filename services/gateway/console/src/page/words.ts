import { en, type Word } from './words-en.ts';
import { zh } from './words-zh.ts';

export type { Word };
export type Language = 'en' | 'zh';

let language: Language = navigator.language.startsWith('zh') ? 'zh' : 'en';

export const currentLanguage = (): Language => language;

export function setLanguage(to: Language): void {
  language = to;
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
}

export const say = (word: Word): string => (language === 'zh' ? zh : en)[word];

/** The page's word for a word of the API, such as a state. Without one the API's word is shown. */
export const sayIfKnown = (word: string): string => (word in en ? say(word as Word) : word);

export const textOf = (text: string | { en?: string; zh?: string }): string =>
  typeof text === 'string' ? text : (text[language] ?? text.zh ?? text.en ?? '');

export const timeOf = (instant: string | undefined): string =>
  instant === undefined ? '' : new Date(instant).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB');

/** An amount of minor units, as people write it. */
export function moneyOf({ amount, currency }: { amount: number; currency: string }): string {
  const format = new Intl.NumberFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
    style: 'currency',
    currency,
  });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** Names in a row. */
export const listOf = (names: string[]): string => names.join(language === 'zh' ? '、' : ', ');

/** Seconds in the largest units that fit. */
export function spanOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return minutes === 0 ? `${whole} s` : `${minutes} min ${whole % 60} s`;
}
