import { signIn } from './page/api.ts';
import { alertBox, attempt, element, field, hint, onSubmit, type View } from './page/dom.ts';
import { say } from './page/words.ts';

/** Lets an operator in, by a token. */
export function loginView(onDone: () => void): View {
  const { box, input } = field('token', say('token'), {
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    required: '',
  });
  const problem = alertBox();
  const form = element(
    'form',
    {},
    box,
    hint(say('tokenHint')),
    problem,
    element('button', { type: 'submit', class: 'first' }, say('signIn')),
  );
  onSubmit(form, () => {
    void attempt(problem, async () => {
      await signIn(input.value);
      input.value = '';
      onDone();
    });
  });
  return { content: [element('h1', {}, say('signIn')), form] };
}
