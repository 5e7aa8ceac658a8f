/** One sale, live: what is left, the countdown by the server's clock, and the basket. */
import type { Client, Sale } from '@seckill/client';
import { Basket } from '../basket.ts';
import { button, eachSecond, element, say, setText } from '../dom.ts';
import { duration, localized, money, texts } from '../texts.ts';
import { Checkout } from './checkout.ts';
import { Joined } from './joined.ts';
import { badge, heading, reasonOf } from './screen.ts';
import type { Place, Screen } from './screen.ts';

type Item = Sale['items'][number];
const QUANTITY_MAX = 100;

/** Units that count against a limit: those of a kit are its parts'. */
function unitsOf({ components }: Item): number {
  return components?.reduce((sum, { quantity }) => sum + quantity, 0) ?? 1;
}

/** What a press of + may still add. Items and kits may want the same units: the server tells that. */
function roomFor(sale: Sale, item: Item, basket: Basket): number {
  const limit = sale.limitPerBuyer ?? Number.POSITIVE_INFINITY;
  const own = item.limitPerBuyer ?? Number.POSITIVE_INFINITY;
  const inBasket = basket.quantityOf(item.sku);
  if (item.paused === true) return 0;
  const taken = sale.items.reduce((sum, one) => sum + basket.quantityOf(one.sku) * unitsOf(one), 0);
  const room = Math.floor((limit - taken) / unitsOf(item));
  return Math.min(QUANTITY_MAX - inBasket, item.available - inBasket, own - inBasket, room);
}

/** What is in a kit, in words. */
function contentsOf(sale: Sale, item: Item): string {
  const titles = new Map(sale.items.map(({ sku, title }) => [sku, localized(title)]));
  const parts = item.components?.map(({ sku, quantity }) => `${quantity} × ${titles.get(sku) ?? sku}`);
  return parts?.join(' + ') ?? '';
}

/** What a press of + adds: some items are sold from a quantity on, and in steps. */
function stepUp({ minQuantity, step = 1 }: Item, inBasket: number): number {
  return inBasket === 0 ? (minQuantity ?? step) : step;
}

/** What a press of − takes away. Below the least quantity it takes all. */
function stepDown({ minQuantity, step = 1 }: Item, inBasket: number): number {
  return inBasket - step < (minQuantity ?? step) ? inBasket : step;
}

class ItemCard {
  readonly root: HTMLElement;
  readonly #left = element('p', { class: 'faint' });
  readonly #soldOut = element('span', { class: 'badge', 'data-kind': 'bad' });
  readonly #meter: HTMLMeterElement;
  readonly #count = element('output', {}, '0');
  readonly #less: HTMLButtonElement;
  readonly #another: HTMLButtonElement;
  readonly #basket: Basket;
  readonly #sku: string;

  constructor(sale: Sale, item: Item, basket: Basket, onChange: () => void) {
    const title = localized(item.title);
    this.#basket = basket;
    this.#sku = item.sku;
    const add = (stepOf: (inBasket: number) => number) => () => {
      const inBasket = basket.quantityOf(item.sku);
      basket.set(item.sku, inBasket + stepOf(inBasket));
      onChange();
    };
    this.#less = button(
      '−',
      add((inBasket) => -stepDown(item, inBasket)),
      { 'aria-label': texts().less(title) },
    );
    this.#another = button(
      '+',
      add((inBasket) => stepUp(item, inBasket)),
      { 'aria-label': texts().another(title) },
    );
    this.#meter = element('meter', { min: 0, max: Math.max(1, item.total), 'aria-label': title });
    // A kit has no units of its own to show.
    this.#meter.hidden = item.components !== undefined;
    const contents = contentsOf(sale, item);
    const picture = item.image === undefined ? undefined : element('img', { src: item.image, alt: '' });
    const text =
      item.description === undefined
        ? undefined
        : element('p', { class: 'faint' }, localized(item.description));
    const head = element('div', { class: 'row' }, element('h2', {}, title), this.#soldOut);
    const steps = element('div', { class: 'stepper' }, this.#less, this.#count, this.#another);
    const foot = element(
      'div',
      { class: 'row' },
      element('span', { class: 'price' }, money(item.price)),
      steps,
    );
    const parts = contents === '' ? undefined : element('p', { class: 'faint' }, contents);
    this.root = element('li', { class: 'card' }, picture, head, text, parts, this.#left, this.#meter, foot);
  }

  update(sale: Sale, before: Item | undefined): void {
    const item = sale.items.find(({ sku }) => sku === this.#sku);
    if (item === undefined) return;
    const { available, total, components } = item;
    setText(
      this.#left,
      components === undefined ? texts().left(available, total) : texts().kitsLeft(available),
    );
    this.#meter.max = Math.max(1, total);
    this.#meter.value = item.available;
    setText(this.#soldOut, texts().soldOut[item.soldOut]);
    this.#soldOut.hidden = item.soldOut === 'no';
    setText(this.#count, String(this.#basket.quantityOf(item.sku)));
    this.#less.disabled = this.#basket.quantityOf(item.sku) === 0;
    this.#another.disabled =
      roomFor(sale, item, this.#basket) < stepUp(item, this.#basket.quantityOf(this.#sku));
    const title = localized(item.title);
    if (before === undefined || sale.state !== 'open') return;
    if (before.available > 0 && item.available === 0) say(texts().saysSoldOut(title));
    if (before.available === 0 && item.available > 0) say(texts().saysBack(title, item.available));
  }
}

class SaleView {
  readonly #shop: Client;
  readonly #root: HTMLElement;
  readonly #clock = element('span', { class: 'clock', role: 'timer' });
  readonly #clockName = element('span');
  readonly #state = element('p');
  readonly #joined = new Joined();
  readonly #basket = new Basket();
  readonly #cards: ItemCard[];
  readonly #pay: Checkout;
  #sale: Sale;

  constructor({ shop, root, signal }: Place, sale: Sale) {
    this.#shop = shop;
    this.#root = root;
    this.#sale = sale;
    this.#cards = sale.items.map((item) => {
      return new ItemCard(sale, item, this.#basket, () => {
        this.update(this.#sale);
      });
    });
    this.#pay = new Checkout({ shop, root, signal }, sale.id, this.#basket, () => {
      this.update(this.#sale);
    });
    this.#draw();
    eachSecond(signal, () => {
      this.#tick();
    });
  }

  #draw(): void {
    const { title, description, image, limitPerBuyer } = this.#sale;
    const faint = (text: string): HTMLElement => element('p', { class: 'faint' }, text);
    this.#root.prepend(
      heading(localized(title)),
      element('div', { class: 'row' }, this.#state, element('p', {}, this.#clockName, ' ', this.#clock)),
      ...(image === undefined ? [] : [element('img', { src: image, alt: '' })]),
      ...(description === undefined ? [] : [faint(localized(description))]),
      ...(limitPerBuyer === undefined ? [] : [faint(texts().limit(limitPerBuyer))]),
      this.#joined.root,
      element('ul', { class: 'cards' }, ...this.#cards.map(({ root }) => root)),
    );
  }

  #tick(): void {
    const { state, opensAt, closesAt } = this.#sale;
    const isAhead = state === 'scheduled';
    setText(this.#clockName, isAhead ? texts().opensIn : texts().closesIn);
    setText(this.#clock, duration(this.#shop.msUntil(isAhead ? opensAt : closesAt)));
    for (const node of [this.#clock, this.#clockName]) node.hidden = state === 'closed';
  }

  update(sale: Sale): void {
    const before = this.#sale;
    this.#sale = sale;
    // Units that are gone or no longer allowed leave the basket.
    for (const item of sale.items) {
      const excess = -Math.min(0, roomFor(sale, item, this.#basket));
      if (excess > 0) this.#basket.set(item.sku, this.#basket.quantityOf(item.sku) - excess);
    }
    this.#state.replaceChildren(badge(texts().state[sale.state], sale.state === 'open' ? 'good' : undefined));
    this.#cards.forEach((one, index) => {
      one.update(sale, before === sale ? undefined : before.items[index]);
    });
    this.#pay.update(sale);
    this.#joined.update(sale);
    this.#tick();
  }
}

export const saleScreen: Screen = async (place, saleId) => {
  const { shop, root, signal } = place;
  root.append(element('p', { class: 'faint' }, texts().loading));
  let view: SaleView | undefined;
  for await (const seen of shop.watchSale(saleId, { signal })) {
    if (signal.aborted) return;
    if (seen.ok) {
      if (view === undefined) root.replaceChildren();
      view ??= new SaleView(place, seen.value);
      view.update(seen.value);
    } else if (view === undefined) {
      // The watch goes on by itself where that can help.
      root.replaceChildren(heading(texts().shop), element('p', { class: 'notice' }, reasonOf(seen)));
    }
  }
};
