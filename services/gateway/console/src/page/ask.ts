import { alertBox, attempt, button, element, field } from './dom.ts';
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
  const end = (): void => {
    dialog.close();
    dialog.remove();
  };
  const confirm = (): void => {
    if (fields.some(({ input }) => !input.reportValidity())) return;
    void attempt(problem, async () => {
      const given = Object.fromEntries(fields.map(({ name, input }) => [name, input.value]));
      await act(given as Record<Name, string>);
      end();
    });
  };
  dialog.append(
    element('h2', { id: 'asked' }, `${what} · ${say('sure')}`),
    ...fields.map(({ box }) => box),
    problem,
    element('p', { class: 'row' }, button(say('confirm'), confirm, 'first'), button(say('cancel'), end)),
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
