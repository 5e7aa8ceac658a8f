import { call } from '../page/api.ts';
import type { Page, Sale } from '../page/answers.ts';
import { element, type View } from '../page/dom.ts';
import { paged } from '../page/paged.ts';
import { say, sayIfKnown, textOf, timeOf } from '../page/words.ts';

/** The sales, a hundred at a time. */
export function salesView(): View {
  const heads = [say('title'), say('state'), say('opens'), say('closes'), say('left')];
  const list = paged(
    say('sales'),
    heads,
    (path) => call<Page<Sale>>('GET', path),
    ({ id, title, state, opensAt, closesAt, items }) => {
      const own = items.filter(({ components }) => components === undefined);
      const left = own.reduce((all, { available }) => all + available, 0);
      const total = own.reduce((all, item) => all + item.total, 0);
      const link = element('a', { href: `#/sales/${encodeURIComponent(id)}` }, `${textOf(title)} (${id})`);
      return [link, sayIfKnown(state), timeOf(opensAt), timeOf(closesAt), `${left} / ${total}`];
    },
  );
  void list.load('/v1/sales', { limit: '100' });
  return { content: [element('h1', {}, say('sales')), list.box] };
}
