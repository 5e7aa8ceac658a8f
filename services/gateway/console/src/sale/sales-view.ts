import { call } from '../page/api.ts';
import type { Sale } from '../page/answers.ts';
import { alertBox, attempt, element, table, type View } from '../page/dom.ts';
import { say, sayIfKnown, textOf, timeOf } from '../page/words.ts';

/** The first hundred sales. */
export function salesView(): View {
  const place = element('div', {}, say('loading'));
  const problem = alertBox();
  void attempt(problem, async () => {
    const { data } = await call<{ data: Sale[] }>('GET', '/v1/sales?limit=100');
    const rows = data.map(({ id, title, state, opensAt, closesAt, items }) => {
      const own = items.filter(({ components }) => components === undefined);
      const left = own.reduce((all, { available }) => all + available, 0);
      const total = own.reduce((all, item) => all + item.total, 0);
      const link = element('a', { href: `#/sales/${encodeURIComponent(id)}` }, `${textOf(title)} (${id})`);
      return [link, sayIfKnown(state), timeOf(opensAt), timeOf(closesAt), `${left} / ${total}`];
    });
    const heads = [say('title'), say('state'), say('opens'), say('closes'), say('left')];
    place.replaceChildren(rows.length === 0 ? say('none') : table(say('sales'), heads, rows));
  });
  return { content: [element('h1', {}, say('sales')), problem, place] };
}
