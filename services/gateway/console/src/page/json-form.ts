import { ApiError } from './api.ts';
import { alertBox, attempt, element, onSubmit } from './dom.ts';
import { say } from './words.ts';

/** A text of JSON that is sent as it was edited. What is wrong with it is told by the API. */
export function jsonForm(
  label: string,
  submit: string,
  value: unknown,
  act: (body: unknown) => Promise<void>,
): HTMLFormElement {
  const text = element('textarea', { id: 'json', spellcheck: 'false' }, JSON.stringify(value, null, 2));
  const problem = alertBox();
  const form = element(
    'form',
    {},
    element('label', { for: 'json' }, label),
    text,
    problem,
    element('button', { type: 'submit', class: 'first' }, submit),
  );
  onSubmit(form, () => void attempt(problem, () => act(parse(text.value))));
  return form;
}

/** @throws ApiError, which is shown as the API's own are. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(0, '', `${say('notJson')}: ${String(error)}`);
  }
}
