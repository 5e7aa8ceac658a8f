import { setTimeout as sleep } from 'node:timers/promises';
import type { Reservation } from '@seckill/contracts';
import { untilWithin } from '@seckill/testing';
import { History } from '../../bench/src/audit/history.ts';
import type { Answer } from '../support/stack.ts';
import type { Fleet } from './fleet.ts';

export type Lines = { sku: string; quantity: number }[];

interface Wish {
  saleId: string;
  lines: Lines;
  channelId?: string;
  ref?: string;
}

/** Sales, and buyers by name: who asks for what under which key, and what was answered. */
export class Scene {
  readonly history = new History();
  readonly orders = new Map<string, Reservation>();
  readonly #fleet: Fleet;
  readonly #wishes = new Map<string, Wish>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  async sale(id: string, changes: Record<string, unknown> = {}): Promise<void> {
    const answer = await this.operate('/v1/sales', {
      id,
      title: `Sale ${id}`,
      closesAt: new Date(Date.now() + 1_800_000).toISOString(),
      limitPerBuyer: 4,
      holdSeconds: 600,
      items: [
        { sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 20 },
        { sku: 'b', title: 'B', price: { amount: 250, currency: 'CNY' }, total: 30 },
      ],
      channels: [{ id: 'street', kind: 'community', title: 'Street', cap: 12, pickupPointId: 'corner' }],
      ...changes,
    });
    if (answer.status !== 201) throw new Error(`${id} was not created: ${answer.status} ${answer.text}`);
  }

  operate(path: string, body?: unknown): Promise<Answer> {
    const call = { method: 'POST' as const, path, userId: 'operator', isOperator: true };
    return this.#fleet.send(body === undefined ? call : { ...call, body });
  }

  /** The buyer reserves, or asks again under the same key. */
  async reserve(name: string, wish = this.#wishes.get(name)): Promise<Answer> {
    if (wish === undefined) throw new Error(`${name} never wanted anything`);
    this.#wishes.set(name, wish);
    const { saleId, ...body } = wish;
    const path = `/v1/sales/${saleId}/reservations`;
    const answer = await this.#fleet.send({
      method: 'POST',
      path,
      userId: name,
      key: `key-of-${name}`,
      body,
    });
    if (answer.status === 201) {
      this.orders.set(name, this.history.accept(saleId, name, `key-of-${name}`, answer.text));
    }
    return answer;
  }

  /** @throws Error when it is refused. */
  async hold(name: string, wish: Wish): Promise<void> {
    const answer = await this.reserve(name, wish);
    if (answer.status !== 201) throw new Error(`${name}: ${answer.status} ${answer.text}`);
  }

  /** Once the order's row is there. @returns the order's status. */
  async end(name: string, verb: 'pay' | 'cancel'): Promise<unknown> {
    for (;;) {
      const path = `/v1/orders/${this.idOf(name)}/${verb}`;
      const { status, body, text } = await this.#fleet.send({ method: 'POST', path, userId: name });
      if (status === 200) {
        if (verb === 'pay') this.history.paid(this.idOf(name), 'paid');
        else this.history.cancelled(this.idOf(name), 'cancelled');
        return body['status'];
      }
      if (body['code'] !== 'order_not_ready') throw new Error(`${verb} of ${name}: ${status} ${text}`);
      await sleep(100);
    }
  }

  async statusOf(name: string): Promise<unknown> {
    const { body, text } = await this.#fleet.send({ path: `/v1/orders/${this.idOf(name)}`, userId: name });
    return body['id'] === this.idOf(name) ? body['status'] : text;
  }

  async statuses(names: Iterable<string>): Promise<Record<string, unknown>> {
    const entries: [string, unknown][] = [];
    for (const name of names) entries.push([name, await this.statusOf(name)]);
    return Object.fromEntries(entries);
  }

  idOf(name: string): string {
    return this.orders.get(name)?.id ?? `${name} has no order`;
  }

  /** As an operator sees it: from Redis, not from a gateway's memory. */
  async read(saleId: string): Promise<Answer> {
    return this.#fleet.send({ path: `/v1/sales/${saleId}`, userId: 'operator', isOperator: true });
  }

  /** Available, held and paid units of each item. */
  async unitsOf(saleId: string): Promise<Record<string, number[]>> {
    const items = (await this.read(saleId)).body['items'] as Record<string, number | string>[];
    return Object.fromEntries(
      items.map(({ sku, available, held, paid }) => [String(sku), [available, held, paid].map(Number)]),
    );
  }

  /** Waits until the lane of the sale serves again. */
  async untilState(saleId: string, state: string): Promise<void> {
    await untilWithin(60_000)(`${saleId} is ${state}`, async () => {
      return (await this.read(saleId)).body['state'] === state;
    });
  }
}
