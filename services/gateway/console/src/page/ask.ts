import { alertBox, attempt, button, element, field, onSubmit } from './dom.ts';
import { rememberFocus } from './focus.ts';
import { say } from './words.ts';

interface Asked {
  label: string;
  attributes?: Record<string, string>;
}

/** What is asked for in most dialogs. */
export const REASON = (): Asked => ({ label: say('reason'), attributes: { maxlength: '200' } });
export const QUANTITY = (): Asked => ({
  label: say('quantity'),
  attributes: { type: 'number', min: '1', value: '1', required: '' },
});

/**
 * Asks before anything is changed. Escape changes nothing.
 * @param asked the fields of the dialog, by name.
 * @param act gets what was typed, by the same names.
 */
export function askFirst<Name extends string>(
  what: string,
  asked: Record<Name, Asked>,
  act: (given: Record<Name, string>) => Promise<void>,
): void {
  const names = Object.keys(asked) as Name[];
  const fields = names.map((name) => ({
    name,
    ...field(`asked-${name}`, asked[name].label, { type: 'text', ...asked[name].attributes }),
  }));
  const problem = alertBox();
  const dialog = element('dialog', { 'aria-labelledby': 'asked' });
  const giveBackFocus = rememberFocus();
  const end = (): void => {
    dialog.close();
  };
  const confirm = (): void => {
    void attempt(problem, async () => {
      const given = Object.fromEntries(fields.map(({ name, input }) => [name, input.value]));
      await act(given as Record<Name, string>);
      end();
    });
  };
  // A form, so that Enter in a field confirms.
  const form = element(
    'form',
    {},
    element('h2', { id: 'asked' }, `${what} · ${say('sure')}`),
    ...fields.map(({ box }) => box),
    problem,
    element(
      'p',
      { class: 'row' },
      element('button', { type: 'submit', class: 'first' }, say('confirm')),
      button(say('cancel'), end),
    ),
  );
  onSubmit(form, confirm);
  dialog.append(form);
  dialog.addEventListener('close', () => {
    dialog.remove();
    giveBackFocus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
