import { ApiError } from './api.ts';

export interface View {
  content: (Node | string)[];
  /** Ends the requests and timers of a view when it is left. */
  leave?: () => void;
}

type Child = Node | string;

/** Makes an element with its attributes. Text stays text, whatever is in it. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(text: string, act: () => void, kind = ''): HTMLButtonElement {
  const made = element('button', { type: 'button', ...(kind === '' ? {} : { class: kind }) }, text);
  made.addEventListener('click', act);
  return made;
}

/** A field under its label. */
export function field(
  id: string,
  label: string,
  attributes: Record<string, string> = {},
): { box: HTMLElement; input: HTMLInputElement } {
  const input = element('input', { id, ...attributes });
  return { box: element('div', {}, element('label', { for: id }, label), input), input };
}

/** On a narrow screen the table scrolls by itself, also by keyboard. */
export function table(label: string, heads: string[], rows: Child[][]): HTMLElement {
  const head = element('tr', {}, ...heads.map((text) => element('th', { scope: 'col' }, text)));
  const body = rows.map((cells) => element('tr', {}, ...cells.map((cell) => element('td', {}, cell))));
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)),
  );
}

/** A place for what went wrong, which a screen reader reads at once. */
export function alertBox(): HTMLElement {
  return element('p', { role: 'alert', class: 'bad' });
}

/** Does the work, and shows what went wrong. */
export async function attempt(place: HTMLElement, act: () => Promise<void>): Promise<void> {
  place.textContent = '';
  try {
    await act();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    place.textContent = error.message;
  }
}

/** Sends nothing by the browser, so that no typed text comes into an address. */
export function onSubmit(form: HTMLFormElement, act: () => void): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    act();
  });
}

/** A choice under its label. The first option is chosen at first. */
export function choice(
  id: string,
  label: string,
  options: Record<string, string>,
): { box: HTMLElement; input: HTMLSelectElement } {
  const input = element('select', { id });
  for (const [value, text] of Object.entries(options)) input.append(element('option', { value }, text));
  return { box: element('div', {}, element('label', { for: id }, label), input), input };
}

export const card = (name: string, value: string): HTMLElement =>
  element('div', { class: 'card' }, element('span', { class: 'quiet' }, name), element('b', {}, value));

export const cards = (...all: HTMLElement[]): HTMLElement => element('div', { class: 'cards' }, ...all);

/** A part of a view under its heading. */
export const section = (name: string, ...content: Child[]): HTMLElement =>
  element('section', {}, element('h2', {}, name), ...content);

export const hint = (text: string): HTMLElement => element('p', { class: 'quiet' }, text);

/** Shows what was read anew. What is in use must not vanish under its user. */
export function renew(place: HTMLElement, ...content: Child[]): void {
  if (!place.contains(document.activeElement)) place.replaceChildren(...content);
}
