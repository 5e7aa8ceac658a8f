/** One order: what was bought, the time left to pay, and the pick-up code of a paid one. */
import type { Order, Sale } from '@seckill/client';
import { generate } from 'lean-qr';
import { toSvg } from 'lean-qr/extras/svg';
import { button, eachSecond, element, say, setText } from '../dom.ts';
import { duration, instant, localized, money, texts } from '../texts.ts';
import { saleOf } from '../shop.ts';
import { badge, failure, heading, reasonOf } from './screen.ts';
import type { Place, Screen } from './screen.ts';

/** A provider's payment, or the end of the hold, is seen this soon. */
const LOOK_MS = 2_000;

function pickup(code: string): HTMLElement {
  const qr = toSvg(generate(code), document);
  qr.setAttribute('class', 'qr');
  qr.setAttribute('role', 'img');
  qr.setAttribute('aria-label', texts().qr(code));
  return element(
    'section',
    { class: 'card' },
    element('h2', {}, texts().pickupCode),
    element('p', { class: 'code' }, code),
    qr,
  );
}

function lines(order: Order, sale: Sale | undefined): HTMLElement {
  const titles = new Map(sale?.items.map(({ sku, title }) => [sku, localized(title)]));
  return element(
    'ul',
    { class: 'cards' },
    ...order.lines.map(({ sku, quantity, price }) =>
      element(
        'li',
        { class: 'card' },
        element(
          'div',
          { class: 'row' },
          element('span', {}, `${titles.get(sku) ?? sku} × ${quantity}`),
          element('span', { class: 'price' }, money({ ...price, amount: price.amount * quantity })),
        ),
      ),
    ),
  );
}

class OrderView {
  readonly #place: Place;
  readonly #sale: Sale | undefined;
  readonly #note = element('p', { role: 'alert' });
  #order: Order;

  constructor(place: Place, order: Order, sale: Sale | undefined) {
    this.#place = place;
    this.#order = order;
    this.#sale = sale;
    this.#draw();
  }

  get isPending(): boolean {
    return this.#order.status === 'pending';
  }

  /** Something may still become of it by itself. */
  get isOpen(): boolean {
    return this.isPending || (this.#order.status === 'paid' && this.#order.group === 'waiting');
  }

  update(order: Order): void {
    if (order.status === this.#order.status && order.group === this.#order.group) return;
    this.#order = order;
    say(texts().status[order.status]);
    if (order.group !== undefined) say(texts().group[order.group]);
    this.#draw();
  }

  #draw(): void {
    const { status, amount, reservedAt, saleId, pickupCode, group } = this.#order;
    const state = badge(texts().status[status], status === 'paid' ? 'good' : undefined);
    this.#place.root.replaceChildren(
      heading(this.#sale === undefined ? texts().order : localized(this.#sale.title)),
      element('div', { class: 'row' }, state, this.#timeLeft()),
      ...(group === undefined ? [] : [element('p', { class: 'notice' }, texts().group[group])]),
      // Nothing is handed out before the group purchase was reached.
      ...(pickupCode === undefined || (group ?? 'reached') !== 'reached' ? [] : [pickup(pickupCode)]),
      lines(this.#order, this.#sale),
      element('p', { class: 'row' }, texts().total, element('span', { class: 'price' }, money(amount))),
      element('p', { class: 'faint' }, `${texts().reservedAt} ${instant(reservedAt)}`),
      this.#note,
      this.#actions(),
      element('p', {}, element('a', { href: `#/sale/${saleId}` }, texts().back)),
    );
  }

  #timeLeft(): HTMLElement {
    const clock = element('span', { class: 'clock', role: 'timer' });
    const { shop, signal } = this.#place;
    const text = element('p', { hidden: !this.isPending }, `${texts().payWithin} `, clock);
    if (this.isPending) {
      eachSecond(signal, () => {
        setText(clock, duration(shop.msUntil(this.#order.expiresAt)));
      });
    }
    return text;
  }

  #actions(): HTMLElement {
    const row = element('div', { class: 'row', hidden: !this.isPending });
    const act = (verb: 'pay' | 'cancel') => async (): Promise<void> => {
      for (const one of row.querySelectorAll('button')) one.disabled = true;
      setText(this.#note, '');
      const done = await this.#place.shop[verb](this.#order.id, {
        signal: this.#place.signal,
        onWait: (reason) => {
          setText(this.#note, texts().waits(reasonOf(reason)));
        },
      });
      if (this.#place.signal.aborted) return;
      setText(this.#note, done.ok ? '' : reasonOf(done));
      for (const one of row.querySelectorAll('button')) one.disabled = false;
      if (done.ok) this.update(done.value);
    };
    const [pay, cancel] = [act('pay'), act('cancel')];
    row.append(
      button(texts().pay, () => void pay(), { class: 'main' }),
      button(texts().cancel, () => void cancel()),
    );
    return row;
  }
}

export const orderScreen: Screen = async (place, orderId) => {
  const { shop, root, signal } = place;
  root.append(element('p', { class: 'faint' }, texts().loading));
  const found = await shop.getOrder(orderId, { signal });
  const sale = found.ok ? await saleOf(shop, found.value.saleId) : undefined;
  if (signal.aborted) return;
  if (!found.ok) {
    const again = (): void => void dispatchEvent(new HashChangeEvent('hashchange'));
    root.replaceChildren(heading(texts().order), failure(found, again));
    return;
  }
  const view = new OrderView(place, found.value, sale);
  const timer = setInterval(() => {
    if (!view.isOpen) clearInterval(timer);
    else if (!document.hidden) {
      void shop.getOrder(orderId, { signal }).then((seen) => {
        if (seen.ok && !signal.aborted) view.update(seen.value);
      });
    }
  }, LOOK_MS);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
  });
};
