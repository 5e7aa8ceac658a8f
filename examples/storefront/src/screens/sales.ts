/** All sales: open ones first, then by when they open. */
import type { Client, Sale } from '@seckill/client';
import { eachSecond, element, setText } from '../dom.ts';
import { duration, localized, texts } from '../texts.ts';
import { badge, failure, heading } from './screen.ts';
import type { Place, Screen } from './screen.ts';

/** The list is read anew this often: a sale's own page is live, the list need not be. */
const REFRESH_MS = 5_000;
const COUNT_MAX = 100;

function card(shop: Client, sale: Sale, signal: AbortSignal): HTMLElement {
  const clock = element('span', { class: 'clock' });
  const isAhead = sale.state === 'scheduled';
  const sum = (name: 'available' | 'total'): number =>
    // A kit has no units of its own.
    sale.items.reduce((sum, item) => sum + (item.components === undefined ? item[name] : 0), 0);
  const isSoldOut = sale.items.every(({ soldOut }) => soldOut === 'final') && sale.state !== 'closed';
  const state = isSoldOut ? texts().soldOut.final : texts().state[sale.state];
  eachSecond(signal, () => {
    setText(clock, duration(shop.msUntil(isAhead ? sale.opensAt : sale.closesAt)));
  });
  const countdown = element('p', {}, `${isAhead ? texts().opensIn : texts().closesIn} `, clock);
  return element(
    'li',
    { class: 'card' },
    element(
      'div',
      { class: 'row' },
      element('h2', {}, element('a', { href: `#/sale/${sale.id}` }, localized(sale.title))),
      badge(state, isSoldOut ? 'bad' : sale.state === 'open' ? 'good' : undefined),
    ),
    element(
      'div',
      { class: 'row faint' },
      element('p', {}, texts().left(sum('available'), sum('total'))),
      sale.state === 'closed' ? undefined : countdown,
    ),
  );
}

export const salesScreen: Screen = async ({ shop, root, signal }: Place) => {
  const list = element('ul', { class: 'cards' });
  const note = element('p', { class: 'faint' }, texts().loading);
  root.append(heading(texts().shop), note, list);
  let shown = new AbortController();
  const look = async (): Promise<void> => {
    const { value: page } = await shop.listSales({ limit: COUNT_MAX }, { signal }).next();
    if (signal.aborted || page === undefined) return;
    if (!page.ok) {
      note.hidden = true;
      list.replaceChildren(
        element(
          'li',
          {},
          failure(page, () => void look()),
        ),
      );
      return;
    }
    // A reader whose focus is on a link keeps it there.
    const focused = document.activeElement?.getAttribute('href');
    shown.abort();
    shown = new AbortController();
    list.replaceChildren(...page.value.data.map((sale) => card(shop, sale, shown.signal)));
    list.querySelector<HTMLElement>(`a[href="${focused ?? ''}"]`)?.focus();
    setText(note, page.value.data.length === 0 ? texts().none : '');
    note.hidden = page.value.data.length > 0;
  };
  const timer = setInterval(() => {
    if (!document.hidden) void look();
  }, REFRESH_MS);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    shown.abort();
  });
  await look();
};
