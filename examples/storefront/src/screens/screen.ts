import type { Client } from '@seckill/client';
import { button, element } from '../dom.ts';
import { texts } from '../texts.ts';

export interface Place {
  shop: Client;
  root: HTMLElement;
  /** Ends what the screen does when it is left. */
  signal: AbortSignal;
}

/** @param id of the sale or order; empty for a list */
export type Screen = (place: Place, id: string) => Promise<void>;

export const heading = (text: string): HTMLHeadingElement => element('h1', { tabindex: -1 }, text);

interface Shown {
  title?: string;
  code: string;
}

/** A failure in the words of the API, or in ours where there is no answer. */
export const reasonOf = ({ title, code }: Shown): string =>
  title ?? (code === 'unexpected_answer' ? code : texts().noConnection);

export function failure(shown: Shown, again: () => void): HTMLElement {
  return element('div', { class: 'notice' }, element('p', {}, reasonOf(shown)), button(texts().again, again));
}

export const badge = (text: string, kind?: 'good' | 'bad'): HTMLElement =>
  element('span', { class: 'badge', 'data-kind': kind }, text);
