import { ApiError } from './api.ts';
import { say } from './words.ts';

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

/**
 * Asks before anything is changed.
 * @param act gets the reason, and the quantity where one is asked for.
 */
export function askFirst(
  what: string,
  act: (given: { reason: string; quantity: number }) => Promise<void>,
  asksQuantity = false,
): void {
  const quantity = field('quantity', say('quantity'), { type: 'number', min: '1', value: '1' });
  const reason = field('reason', say('reason'), { type: 'text', maxlength: '200' });
  const problem = alertBox();
  const dialog = element('dialog', { 'aria-labelledby': 'asked' });
  const end = (): void => {
    dialog.close();
    dialog.remove();
  };
  const confirm = (): void => {
    void attempt(problem, async () => {
      await act({ reason: reason.input.value, quantity: Number(quantity.input.value) });
      end();
    });
  };
  dialog.append(
    element('h2', { id: 'asked' }, `${what} · ${say('sure')}`),
    ...(asksQuantity ? [quantity.box] : []),
    reason.box,
    problem,
    element('p', { class: 'row' }, button(say('confirm'), confirm, 'first'), button(say('cancel'), end)),
  );
  // Escape closes it too.
  dialog.addEventListener('close', () => {
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
