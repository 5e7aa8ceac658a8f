import { call } from '../page/api.ts';
import type { Page } from '../page/answers.ts';
import { askFirst } from '../page/ask.ts';
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
}

/** Messages between the services that could not be understood or stored. */
export function deadLettersView(): View {
  const state = choice('state', say('state'), { waiting: say('waits'), replayed: say('wasReplayed') });
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

  function actionOf({ id, state: now, isTruncated, replayedAt }: DeadLetter): HTMLElement | string {
    if (now === 'replayed') return timeOf(replayedAt);
    if (isTruncated === true) return say('cannotReplay');
    return button(say('replay'), () => {
      askFirst(`${say('replay')} ${id}`, {}, async () => {
        await call('POST', `/v1/dead-letters/${encodeURIComponent(id)}/replay`);
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
