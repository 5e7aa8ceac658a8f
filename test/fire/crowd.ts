/**
 * A modest crowd: shoppers who reserve, pay by notice or in the sandbox, cancel, walk away, pay late or
 * wrong, and repeat their keys. What each heard is kept, to be held against the engines.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OrderStatus, PaymentResult, Reservation, ReserveRequest } from '@seckill/contracts';
import { History } from '../../bench/src/audit/history.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver } from '../../bench/src/demo/way-in.ts';
import { pick } from '../../bench/src/random.ts';
import type { Answer } from '../support/stack.ts';
import type { Front } from './front.ts';
import type { Operations } from './operations.ts';
import type { FireSale } from './sales.ts';

/** A key, whose it is, and what it asked for. */
export interface Wish {
  saleId: string;
  userId: string;
  key: string;
  body: ReserveRequest;
}

/** A key that was sent. */
export interface Asked {
  wish: Wish;
  /** When it was sent first. */
  from: number;
  /** The key was answered "no" at once, so it has never taken anything. */
  isNothing: boolean;
}

/** A key that heard a definite "no", and why. */
export interface Denial extends Wish {
  from: number;
  until: number;
  code: string;
  /** What the answer says of single lines. */
  lines: { code: string; sku: string; available?: number }[];
}

export interface Payment {
  paymentId: string;
  orderId: string;
  amount: number;
  result: PaymentResult;
}

interface CrowdOptions {
  front: Front;
  operations: Operations;
  sales: FireSale[];
  webhookSecret: string;
  random: () => number;
  shoppers: number;
}

/** A quick machine is not to be asked more than a few hundred times a second. */
const THINK_MS = 60;
/**
 * Buyers between their reservation and its end. While so many are, nobody new comes: order is busy or
 * away.
 */
const ENDINGS_MAX = 80;
const WAIT_MS = 100;

export class Crowd {
  readonly history = new History();
  /** Keys that were answered 201, by the reservation that they got first. */
  readonly kept = new Map<string, Wish>();
  /** Keys that heard a definite "no" and were never used again: nothing may come of them. */
  readonly denied: Denial[] = [];
  readonly asked: Asked[] = [];
  readonly payments: Payment[] = [];
  /** Orders that were promised and could not be found: `order_not_found`. */
  readonly notFound = new Set<string>();
  /** Paid orders of which units may come back. */
  readonly returnable: Reservation[] = [];
  readonly #options: CrowdOptions;
  /** The first answer of each reservation, byte by byte. */
  readonly #answers = new Map<string, string>();
  readonly #endings = new Set<Promise<void>>();
  readonly #shoppers: Promise<void>[];
  #isStopping = false;
  #number = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#shoppers = Array.from({ length: options.shoppers }, () => this.#shop());
  }

  /** Nobody new comes; resolves when everyone has heard a definite answer, or was given up. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#shoppers);
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  async #shop(): Promise<void> {
    const { random, sales } = this.#options;
    while (!this.#isStopping) {
      if (this.#endings.size >= ENDINGS_MAX) {
        await sleep(WAIT_MS);
        continue;
      }
      const since = performance.now();
      const wish = this.#plan(pick(random, sales));
      const reservation = await this.reserve(wish);
      if (reservation !== undefined) this.#goOn(wish, reservation);
      // Who waits long comes again later: a busy machine is asked less.
      const tookMs = Math.min(1_000, performance.now() - since);
      await sleep(THINK_MS * (0.5 + random()) + 2 * tookMs * random());
    }
  }

  #plan({ id, items, channels }: FireSale): Wish {
    const { random } = this.#options;
    this.#number += 1;
    const wanted = items.filter(() => random() < 0.5);
    const lines = (wanted.length === 0 ? [pick(random, items)] : wanted).map(({ sku, step }) => ({
      sku,
      quantity: step * (random() < 0.25 ? 2 : 1),
    }));
    const body = { lines, ...(random() < 0.4 ? { channelId: pick(random, channels).id } : {}) };
    // Some come again, so that the limit is met.
    const user = random() < 0.25 ? Math.floor(this.#number / 3) : this.#number;
    return { saleId: id, userId: `u${user}`, key: `k${this.#number}`, body };
  }

  /** Until the answer is definite. @returns what was reserved, if anything. */
  async reserve(wish: Wish): Promise<Reservation | undefined> {
    const { front, operations } = this.#options;
    const { saleId, userId, key, body } = wish;
    const path = `/v1/sales/${saleId}/reservations`;
    const asked: Asked = { wish, from: Date.now(), isNothing: false };
    this.asked.push(asked);
    let attempts = 0;
    const answer = await operations.insist('reserve', `${saleId} ${userId} ${key}`, () => {
      attempts += 1;
      return front.send({ method: 'POST', path, user: userId, key, body });
    });
    if (answer === undefined) {
      this.history.unresolved.push({ saleId, idempotencyKey: key });
      return undefined;
    }
    if (answer.status !== 201) {
      const code = String(answer.body['code']);
      this.history.reject(saleId, code);
      asked.isNothing = attempts === 1;
      const lines = (answer.body['lines'] ?? []) as Denial['lines'];
      this.denied.push({ ...wish, from: asked.from, until: Date.now(), code, lines });
      return undefined;
    }
    return this.#accept(wish, answer.text);
  }

  /** Another reservation than the first contradicts it, unless Redis has lost the first. */
  #accept(wish: Wish, text: string): Reservation {
    const { saleId, userId, key } = wish;
    const reservation = this.history.accept(saleId, userId, key, text);
    if (!this.kept.has(reservation.id)) this.kept.set(reservation.id, wish);
    const first = this.#answers.get(reservation.id) ?? text;
    this.#answers.set(reservation.id, first);
    if (first !== text) this.history.contradictions.push(`${reservation.id}: two different texts`);
    return reservation;
  }

  #goOn(wish: Wish, reservation: Reservation): void {
    const ending = this.#end(wish, reservation).finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }

  async #end(wish: Wish, reservation: Reservation): Promise<void> {
    const { random } = this.#options;
    const chance = random();
    const doesRepeat = random() < 0.15;
    const doesLook = random() < 0.1;
    await sleep(1_000 * random());
    if (doesRepeat) await this.repeat(wish);
    if (doesLook) await this.#look(wish, reservation);
    if (chance < 0.3) await this.#notify(reservation, reservation.amount.amount);
    else if (chance < 0.5) await this.pay(wish.userId, reservation);
    else if (chance < 0.7) await this.#cancel(wish.userId, reservation);
    else if (chance < 0.78) await this.#payLate(reservation);
    else if (chance < 0.8) await this.#notify(reservation, reservation.amount.amount + 1);
  }

  /** INV-4: the first answer, byte by byte. */
  async repeat(wish: Wish): Promise<void> {
    const { front, operations } = this.#options;
    const { saleId, userId, key, body } = wish;
    const path = `/v1/sales/${saleId}/reservations`;
    const name = JSON.stringify([saleId, userId, key]);
    const answer = await operations.insist('repeat', name, () =>
      front.send({ method: 'POST', path, user: userId, key, body }),
    );
    if (answer === undefined) return;
    if (answer.status === 201) this.#accept(wish, answer.text);
    else {
      this.history.contradictions.push(`${name}: its repeat hears ${answer.status} ${answer.text}`);
    }
  }

  async #look({ userId }: Wish, { id }: Reservation): Promise<void> {
    const { front, operations } = this.#options;
    const answer = await operations.insist('look', id, () =>
      front.send({ path: `/v1/orders/${id}`, user: userId }),
    );
    if (answer?.status === 404) this.notFound.add(id);
  }

  async pay(userId: string, reservation: Reservation): Promise<void> {
    const status = await this.#change('pay', userId, reservation.id);
    this.history.paid(reservation.id, status);
    if (status === 'paid') this.returnable.push(reservation);
  }

  async #cancel(userId: string, { id }: Reservation): Promise<void> {
    this.history.cancelled(id, await this.#change('cancel', userId, id));
  }

  /** @returns what the order is since; undefined: nothing definite was heard. */
  async #change(verb: 'pay' | 'cancel', user: string, id: string): Promise<OrderStatus | undefined> {
    const { front, operations } = this.#options;
    const answer = await operations.insist(verb, id, () =>
      front.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, user }),
    );
    if (answer?.status === 404) this.notFound.add(id);
    return statusOf(answer);
  }

  /** When the hold is over: the units are taken again, or the money is due for refund. */
  async #payLate(reservation: Reservation): Promise<void> {
    const waitMs = Date.parse(reservation.expiresAt) - Date.now() + 1_500 * this.#options.random();
    if (waitMs > 10_000) return;
    await sleep(Math.max(0, waitMs));
    await this.#notify(reservation, reservation.amount.amount);
  }

  /** The provider repeats a notice until it is taken. */
  async #notify(reservation: Reservation, amount: number): Promise<void> {
    const { front, operations, webhookSecret } = this.#options;
    const paymentId = `p-${reservation.id.slice(-60)}-${amount}`;
    const paid = { ...reservation, amount: { ...reservation.amount, amount } };
    let result: PaymentResult | undefined;
    // A notice that is answered is one operation; the provider's own repeats are not counted.
    await operations.insist('notice', paymentId, async () => {
      result = await new Provider(transportOver(front.poolOf()), webhookSecret).notify(paid, paymentId);
      if (result === undefined) throw new Error('no gateway took the notice');
      return { status: 200, headers: {}, text: result, body: { result } };
    });
    this.history.noticed(reservation.id, result);
    if (result === undefined) return;
    this.payments.push({ paymentId, orderId: reservation.id, amount, result });
    if (result === 'paid' && amount === reservation.amount.amount) this.returnable.push(reservation);
  }
}

function statusOf(answer: Answer | undefined): OrderStatus | undefined {
  if (answer === undefined) return undefined;
  const status = answer.body['orderStatus'] ?? answer.body['status'];
  // A problem's `status` is a number: the order was not found, which the judgement looks at by itself.
  return typeof status === 'string' ? (status as OrderStatus) : 'pending';
}
