import { call } from '../page/api.ts';
import type { Page } from '../page/answers.ts';
import { askFirst, REASON } from '../page/ask.ts';
import { button, choice, element, hint, type View } from '../page/dom.ts';
import { paged } from '../page/paged.ts';
import { say, timeOf } from '../page/words.ts';

interface DeadLetter {
  id: string;
  state: string;
  topic: string;
  partition: number;
  offset: string;
  key: string;
  error: string;
  isTruncated?: boolean;
  parkedAt: string;
  replayedAt?: string;
  doneBy?: string;
  doneReason?: string;
}

/** Messages between the services that could not be understood or stored. */
export function deadLettersView(): View {
  const state = choice('state', say('state'), {
    waiting: say('waits'),
    replayed: say('wasReplayed'),
    done: say('done'),
  });
  const heads = [say('letters'), say('at'), say('message'), say('error'), say('action')];
  const list = paged(
    say('letters'),
    heads,
    (path) => call<Page<DeadLetter>>('GET', path),
    (letter) => [
      letter.id,
      timeOf(letter.parkedAt),
      `${letter.topic} ${letter.partition}@${letter.offset} · ${letter.key}`,
      letter.error,
      actionOf(letter),
    ],
  );
  const load = (): void => void list.load('/v1/dead-letters', { state: state.input.value });

  function actionOf(letter: DeadLetter): HTMLElement | string {
    if (letter.state === 'done') return [letter.doneBy, letter.doneReason].join(' · ');
    if (letter.state === 'replayed') return timeOf(letter.replayedAt);
    const first = letter.isTruncated === true ? `${say('cannotReplay')} ` : replayButton(letter);
    return element('span', {}, first, doneButton(letter));
  }

  const pathOf = (id: string) => `/v1/dead-letters/${encodeURIComponent(id)}`;

  function replayButton({ id }: DeadLetter): HTMLElement {
    return button(say('replay'), () => {
      askFirst(`${say('replay')} ${id}`, {}, async () => {
        await call('POST', `${pathOf(id)}/replay`);
        load();
      });
    });
  }

  function doneButton({ id }: DeadLetter): HTMLElement {
    const { label, attributes } = REASON();
    const asked = { reason: { label, attributes: { ...attributes, required: '' } } };
    return button(say('markDone'), () => {
      askFirst(`${say('markDone')}: ${id}`, asked, async ({ reason }) => {
        await call('POST', `${pathOf(id)}/done`, { body: { reason } });
        load();
      });
    });
  }

  state.input.addEventListener('change', load);
  load();
  return {
    content: [element('h1', {}, say('letters')), hint(say('lettersHint')), state.box, list.box],
  };
}
