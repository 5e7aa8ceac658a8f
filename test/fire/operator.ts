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

/** From the answer to a pause to the call of the resume: nothing is reserved in between. */
export interface Pause {
  saleId: string;
  sku?: string;
  from: number;
  until: number;
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
  /** Changes that were refused although nothing was in their way. */
  readonly refused: string[] = [];
  /** By order. */
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
    const isPaused = await this.#ask('pause', `${path}/pause`, {});
    const from = Date.now();
    await sleep(200 + 800 * this.#options.random());
    const until = Date.now();
    await this.#ask('resume', `${path}/resume`, {});
    if (isPaused !== undefined)
      this.pauses.push({ saleId, from, until, ...(sku === undefined ? {} : { sku }) });
  }

  async #alter({ id }: FireSale, sku: string, verb: 'adjust' | 'restock', quantity: number): Promise<void> {
    this.#count += 1;
    const answer = await this.#ask(verb, `/v1/sales/${id}/items/${sku}/${verb}`, {
      key: `${verb}-${this.#count}`,
      body: { quantity },
    });
    if (answer === undefined) return;
    const units = verb === 'restock' ? quantity : Number(answer.body['adjusted']);
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
