import { call } from '../page/api.ts';
import type { Page } from '../page/answers.ts';
import { askFirst } from '../page/ask.ts';
import { textOfCode } from '../page/codes.ts';
import { button, choice, element, hint, type View } from '../page/dom.ts';
import { paged } from '../page/paged.ts';
import { say, timeOf } from '../page/words.ts';

interface Notice {
  id: string;
  webhookId: string;
  reason: string;
  state: string;
  receivedAt: string;
  deliveries: number;
  body: string;
  result?: string;
  reference?: string;
}

/** Signed payment notices that were not understood. */
export function noticesView(): View {
  const options = { kept: say('kept'), replayed: say('wasReplayed'), done: say('done') };
  const state = choice('state', say('state'), options);
  const heads = [say('notices'), say('received'), say('reason'), say('bytes'), say('result'), say('action')];
  const list = paged(
    say('notices'),
    heads,
    (path) => call<Page<Notice>>('GET', path),
    (notice) => [
      `${notice.id} · ${notice.webhookId}`,
      `${timeOf(notice.receivedAt)} · ${notice.deliveries}×`,
      notice.reason,
      bytesOf(notice),
      notice.result === undefined ? (notice.reference ?? '') : textOfCode(notice.result),
      notice.state === 'kept' ? replayButton(notice.id) : '',
    ],
  );
  const load = (): void => void list.load('/v1/notices', { state: state.input.value });

  function replayButton(id: string): HTMLElement {
    return button(say('replay'), () => {
      askFirst(`${say('replay')} ${id}`, {}, async () => {
        await call('POST', `/v1/notices/${encodeURIComponent(id)}/replay`);
        load();
      });
    });
  }

  state.input.addEventListener('change', load);
  load();
  return {
    content: [element('h1', {}, say('notices')), hint(say('noticesHint')), state.box, list.box],
  };
}

/** The notice as the provider sent it. What is no text shows the sign for that. */
function bytesOf({ body }: Notice): HTMLElement {
  const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  const text = new TextDecoder().decode(bytes);
  return element('details', {}, element('summary', {}, say('bytes')), element('pre', {}, text));
}
