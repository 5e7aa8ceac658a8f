/** The basket's card: buys, waits where waiting helps, and asks again where the end is not known. */
import type { ReserveResult, Sale } from '@seckill/client';
import { forgetAttempt, keepAttempt, keptAttempt } from '../basket.ts';
import type { Attempt, Basket } from '../basket.ts';
import { button, element, setText } from '../dom.ts';
import { localized, money, texts } from '../texts.ts';
import { reasonOf } from './screen.ts';
import type { Place } from './screen.ts';

/** A buyer who has waited this long wants to know. */
const DEADLINE_MS = 20_000;

export class Checkout {
  readonly #place: Place;
  readonly #saleId: string;
  readonly #basket: Basket;
  readonly #onChange: () => void;
  readonly #sum = element('p');
  readonly #note = element('p', { role: 'alert' });
  readonly #buy = button(texts().buy, () => void this.#begin(), { class: 'main' });
  readonly #stop = button(texts().stop, () => this.#waiting?.abort(), { hidden: true });
  #sale: Sale | undefined;
  #waiting: AbortController | undefined;

  constructor(place: Place, saleId: string, basket: Basket, onChange: () => void) {
    this.#place = place;
    this.#saleId = saleId;
    this.#basket = basket;
    this.#onChange = onChange;
    const text = element('div', {}, element('h2', {}, texts().inBasket), this.#sum);
    const row = element('div', { class: 'row' }, text, this.#stop, this.#buy);
    place.root.append(element('section', { class: 'card basket' }, this.#note, row));
    place.signal.addEventListener('abort', () => this.#waiting?.abort());
    if (keptAttempt(saleId) !== undefined) setText(this.#note, texts().doubt);
  }

  update(sale: Sale): void {
    this.#sale = sale;
    const prices = new Map(sale.items.map(({ sku, price }) => [sku, price]));
    const currency = sale.items[0]?.price.currency ?? 'CNY';
    const amount = this.#basket
      .lines()
      .reduce((sum, { sku, quantity }) => sum + quantity * (prices.get(sku)?.amount ?? 0), 0);
    const count = this.#basket.count();
    const sum = `${texts().units(count)} · ${money({ amount, currency })}`;
    setText(this.#sum, count === 0 ? texts().empty : sum);
    const isDoubtful = keptAttempt(this.#saleId) !== undefined;
    const isBusy = this.#waiting !== undefined;
    setText(this.#buy, isBusy ? texts().buying : isDoubtful ? texts().askAgain : texts().buy);
    this.#buy.disabled = isBusy || (!isDoubtful && (count === 0 || sale.state !== 'open'));
    this.#stop.hidden = !isBusy;
  }

  async #begin(): Promise<void> {
    const attempt = keptAttempt(this.#saleId) ?? { key: makeKey(), lines: this.#basket.lines() };
    // The purchase is kept before it is sent, so that a page that is closed meanwhile can still ask what
    // became of it.
    keepAttempt(this.#saleId, attempt);
    this.#waiting = new AbortController();
    setText(this.#note, '');
    this.#onChange();
    const done = await this.#reserve(attempt, this.#waiting.signal);
    this.#waiting = undefined;
    if (done.ok || !done.inDoubt) forgetAttempt(this.#saleId);
    if (this.#place.signal.aborted) return;
    if (done.ok) {
      location.hash = `#/order/${done.value.id}`;
      return;
    }
    setText(this.#note, this.#explain(done));
    this.#onChange();
  }

  #reserve({ key, lines }: Attempt, signal: AbortSignal): Promise<ReserveResult> {
    return this.#place.shop.reserve(
      this.#saleId,
      { lines },
      {
        key,
        signal,
        deadlineMs: DEADLINE_MS,
        onWait: (reason) => {
          setText(this.#note, texts().waits(reasonOf(reason)));
        },
      },
    );
  }

  #explain(done: Extract<ReserveResult, { ok: false }>): string {
    if (done.inDoubt) return texts().doubt;
    if (done.code === 'aborted') return texts().stopped;
    if (done.code === 'sold_out' && done.available > 0) {
      const item = this.#sale?.items.find(({ sku }) => sku === done.sku);
      return texts().onlyLeft(item === undefined ? done.sku : localized(item.title), done.available);
    }
    return reasonOf(done);
  }
}

/** 128 random bits. `crypto.randomUUID` exists only on pages of https and of this machine. */
function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
