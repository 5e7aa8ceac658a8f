/** The buyer's orders, newest first, a page at a time. */
import type { Order } from '@seckill/client';
import { button, element, setText } from '../dom.ts';
import { instant, localized, money, texts } from '../texts.ts';
import { saleOf } from '../shop.ts';
import { badge, failure, heading } from './screen.ts';
import type { Place, Screen } from './screen.ts';

async function card({ shop }: Place, order: Order): Promise<HTMLElement> {
  const sale = await saleOf(shop, order.saleId);
  const title = sale === undefined ? order.saleId : localized(sale.title);
  const kind = order.status === 'paid' ? 'good' : undefined;
  const link = element('a', { href: `#/order/${order.id}` }, title);
  return element(
    'li',
    { class: 'card' },
    element('div', { class: 'row' }, element('h2', {}, link), badge(texts().status[order.status], kind)),
    element(
      'div',
      { class: 'row' },
      element('span', { class: 'faint' }, instant(order.reservedAt)),
      element('span', { class: 'price' }, money(order.amount)),
    ),
  );
}

export const ordersScreen: Screen = async (place) => {
  const { shop, root, signal } = place;
  const list = element('ul', { class: 'cards' });
  const note = element('p', { class: 'faint' }, texts().loading);
  const pages = shop.listOrders({}, { signal });
  const more = button(texts().more, () => void show(), { hidden: true });
  const show = async (): Promise<void> => {
    const { value: page } = await pages.next();
    if (signal.aborted) return;
    if (page !== undefined && !page.ok) {
      note.replaceChildren(failure(page, () => dispatchEvent(new HashChangeEvent('hashchange'))));
      return;
    }
    const orders = page?.value.data ?? [];
    list.append(...(await Promise.all(orders.map((order) => card(place, order)))));
    setText(note, list.children.length === 0 ? texts().noOrders : '');
    note.hidden = list.children.length > 0;
    more.hidden = page?.value.nextCursor === undefined;
  };
  root.append(heading(texts().orders), note, list, more);
  await show();
};
