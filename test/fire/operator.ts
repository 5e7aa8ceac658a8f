/** An operator who steers the sales while everything burns, and knows what each item's total must be. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pick } from '../../bench/src/random.ts';
import type { Crowd } from './crowd.ts';
import type { Asked, Front } from './front.ts';
import type { Operations } from './operations.ts';
import type { FireSale } from './sales.ts';

interface OperatorOptions {
  front: Front;
  operations: Operations;
  sales: FireSale[];
  crowd: Crowd;
  random: () => number;
}

/** From the answer to a pause to the call of the resume nothing is reserved. */
export interface Pause {
  saleId: string;
  sku?: string;
  from: number;
  until: number;
  /** When the pause was asked for, and when the resume was answered. */
  asked: number;
  ended: number;
}

/** A change of an item's total. */
export interface Change {
  saleId: string;
  sku: string;
  /** Negative: units were taken out. */
  units: number;
  /** When it was asked for. */
  from: number;
  /** When it was answered; absent: never. */
  until?: number;
}

/** What came back of an order. */
export interface TakenBack {
  /** How many returns there were. */
  count: number;
  /** Units times price, in minor units. */
  due: number;
}

export class Operator {
  readonly pauses: Pause[] = [];
  readonly changes: Change[] = [];
  /** Changes that were refused although nothing was in their way. */
  readonly refused: string[] = [];
  /** What was taken back, by order. */
  readonly returned = new Map<string, TakenBack>();
  readonly #totals = new Map<string, number>();
  readonly #options: OperatorOptions;
  readonly #work: Promise<void>;
  #isStopping = false;
  #count = 0;

  constructor(options: OperatorOptions) {
    this.#options = options;
    for (const { id, items } of options.sales) {
      for (const { sku, total } of items) this.#totals.set(`${id} ${sku}`, total);
    }
    this.#work = this.#steer();
  }

  /** What is to be there by all that was told: never a unit more or less. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#work;
  }

  async #steer(): Promise<void> {
    const { random, sales } = this.#options;
    while (!this.#isStopping) {
      await sleep(300 + 1_500 * random());
      const sale = pick(random, sales);
      const item = pick(random, sale.items);
      const change = random();
      if (change < 0.15) await this.#pause(sale.id);
      else if (change < 0.3) await this.#pause(sale.id, item.sku);
      else if (change < 0.45) await this.#alter(sale, item.sku, 'adjust', -1 - Math.floor(3 * random()));
      else if (change < 0.6) await this.#alter(sale, item.sku, 'restock', 1 + Math.floor(5 * random()));
      else if (change < 0.7) await this.#prolong(sale.id);
      else await this.#takeBack();
    }
  }

  async #ask(kind: string, path: string, asked: Partial<Asked>) {
    const { front, operations } = this.#options;
    const answer = await operations.insist(kind, path, () =>
      front.send({ method: 'POST', path, user: 'operator', isOperator: true, ...asked }),
    );
    if (answer !== undefined && answer.status >= 300) this.refused.push(`${kind} ${path}: ${answer.text}`);
    return answer?.status === 200 ? answer : undefined;
  }

  async #pause(saleId: string, sku?: string): Promise<void> {
    const path = `/v1/sales/${saleId}${sku === undefined ? '' : `/items/${sku}`}`;
    const asked = Date.now();
    const pause = { saleId, from: Infinity, until: 0, asked, ended: Infinity, ...(sku && { sku }) };
    this.pauses.push(pause);
    const isPaused = await this.#ask('pause', `${path}/pause`, {});
    const from = Date.now();
    await sleep(200 + 800 * this.#options.random());
    if (isPaused !== undefined) Object.assign(pause, { from, until: Date.now() });
    const isResumed = await this.#ask('resume', `${path}/resume`, {});
    if (isResumed !== undefined) pause.ended = Date.now();
  }

  async #alter({ id }: FireSale, sku: string, verb: 'adjust' | 'restock', quantity: number): Promise<void> {
    this.#count += 1;
    const change: Change = { saleId: id, sku, units: quantity, from: Date.now() };
    this.changes.push(change);
    const answer = await this.#ask(verb, `/v1/sales/${id}/items/${sku}/${verb}`, {
      key: `${verb}-${this.#count}`,
      body: { quantity },
    });
    if (answer === undefined) return;
    const units = verb === 'restock' ? quantity : Number(answer.body['adjusted']);
    Object.assign(change, { units, until: Date.now() });
    this.#totals.set(`${id} ${sku}`, (this.#totals.get(`${id} ${sku}`) ?? 0) + units);
  }

  async #prolong(saleId: string): Promise<void> {
    this.#count += 1;
    const closesAt = new Date(Date.now() + 4 * 3_600_000 + 1_000 * this.#count).toISOString();
    await this.#ask('prolong', `/v1/sales/${saleId}`, { method: 'PATCH', body: { closesAt } });
  }

  /** One unit of a paid order comes back. */
  async #takeBack(): Promise<void> {
    const { crowd, random, sales } = this.#options;
    const order = crowd.returnable.shift();
    const line = order?.lines[0];
    const item = sales.find(({ id }) => id === order?.saleId)?.items.find(({ sku }) => sku === line?.sku);
    if (order === undefined || item === undefined) return;
    const { sku, price } = item;
    const quantity = 1;
    this.#count += 1;
    const done = await this.#ask('return', `/v1/orders/${order.id}/returns`, {
      key: `return-${this.#count}`,
      body: { lines: [{ sku, quantity }], restock: random() < 0.5, reason: 'bruised' },
    });
    if (done === undefined) return;
    const before = this.returned.get(order.id) ?? { count: 0, due: 0 };
    this.returned.set(order.id, { count: before.count + 1, due: before.due + quantity * price });
  }
}
