import { setTimeout as sleep } from 'node:timers/promises';
import type { OrderStatus, ReserveRequest } from '@seckill/contracts';
import { History } from '../../bench/src/audit/history.ts';
import { pick } from '../../bench/src/random.ts';
import type { Answer, Caller } from './stack.ts';

/** A key that was answered 201, with all that repeats it. */
interface Promise201 {
  userId: string;
  key: string;
  body: ReserveRequest;
  reservationId: string;
}

export interface RushOptions {
  client: Caller;
  saleId: string;
  random: () => number;
  /** So many shoppers, each of which is one buyer at a time. */
  shoppers?: number;
  /** What a buyer asks for; absent: one or two units of `a`, `b` or both. */
  plan?: (random: () => number) => ReserveRequest;
  /** True: no shopper ends its reservation by itself. */
  isIdle?: boolean;
}

/** Codes that say nothing about the units. The same key is sent again. */
const REPEATED = new Set([
  'outcome_unknown',
  'overloaded',
  'sale_unavailable',
  'order_not_ready',
  'no_answer',
]);
/** Longer than any outage of these tests on a busy machine. */
const GIVE_UP_MS = 120_000;

/**
 * A crowd without an end: shoppers who buy, pay and cancel until they are told to stop, each repeating its
 * key until it hears a definite answer. Faults happen under it; afterwards every key is asked for its first
 * answer again.
 */
export class Rush {
  readonly history = new History();
  readonly saleId: string;
  readonly #options: RushOptions;
  /** Reservations by key. The first answer counts. */
  readonly #promises = new Map<string, Promise201>();
  readonly #endings: Promise<void>[] = [];
  readonly #shoppers: Promise<void>[];
  readonly #unsettled = new Map<string, string>();
  #isStopping = false;
  #count = 0;

  constructor(options: RushOptions) {
    this.#options = options;
    this.saleId = options.saleId;
    this.#shoppers = Array.from({ length: options.shoppers ?? 8 }, () => this.#shop());
  }

  /** Reservations that buyers were told of. */
  get promised(): number {
    return this.history.promised.size;
  }

  /** Ends without a definite answer, and what they heard. */
  get unsettled(): string[] {
    return [...this.#unsettled].map(([id, heard]) => `${id} ${heard}`);
  }

  rejected(code: string): number {
    return this.history.rejected.get(this.saleId)?.get(code) ?? 0;
  }

  /** Resolves when everyone has heard a definite answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#shoppers);
    await Promise.all(this.#endings);
    this.history.unsettled = this.#unsettled.size;
  }

  /**
   * Tells reservations that are known to be lost apart from those that must still be there. The lost ones are
   * not asked for again, and a buyer who has asked already heard something else.
   */
  forget(reservationIds: Set<string>): void {
    const { history } = this;
    for (const [key, { userId, reservationId }] of this.#promises) {
      if (!reservationIds.has(reservationId)) continue;
      this.#promises.delete(key);
      const name = JSON.stringify([this.saleId, userId, key]);
      const others = history.contradictions.filter((text) => !text.startsWith(name));
      history.contradictions.splice(0, history.contradictions.length, ...others);
    }
    for (const id of reservationIds) {
      for (const told of [history.promised, history.toldPaid, history.toldCancelled]) told.delete(id);
      this.#unsettled.delete(id);
    }
    history.unsettled = this.#unsettled.size;
  }

  /** Asks again for every key from `from` on. Another answer than the first is a contradiction (INV-4). */
  async repeatKeys(from = 0): Promise<number> {
    const waiting = [...this.#promises.values()].slice(from);
    const count = waiting.length;
    const repeat = async (): Promise<void> => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
        const answer = await this.#insist(() => this.#send(one));
        if (answer.status !== 201) {
          this.history.contradictions.push(
            `${one.reservationId}: its key hears ${answer.status} ${answer.text}`,
          );
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, repeat));
    return count;
  }

  /** Pays or cancels every reservation made so far, all at once. */
  async endAll(): Promise<void> {
    const endings = [...this.#promises.values()].map(({ reservationId, userId }, index) =>
      this.#end(reservationId, userId, index % 2 === 0 ? 'pay' : 'cancel'),
    );
    await Promise.all(endings);
  }

  async #shop(): Promise<void> {
    while (!this.#isStopping) {
      await this.buyOnce();
      // About 100 requests a second: a fault shall find units left, on a fast machine too.
      await sleep(20 + 80 * this.#options.random());
    }
  }

  /** Has one more buyer reserve, until its answer is definite. */
  async buyOnce(): Promise<void> {
    const { random, saleId, plan = planBody, isIdle = false } = this.#options;
    const number = this.#count;
    this.#count += 1;
    const one = {
      // Some buyers come again, so that the limit is met.
      userId: `${saleId}-${random() < 0.2 ? Math.floor(number / 2) : number}`,
      key: `key-${number}`,
      body: plan(random),
    };
    const isDouble = random() < 0.2;
    const ending = random();
    const send = () => this.#insist(() => this.#send(one));
    const [answer] = await Promise.all(isDouble ? [send(), send()] : [send()]);
    if (answer.status !== 201) return;
    if (isIdle || ending > 0.6) return;
    this.#endings.push(this.#end(String(answer.body['id']), one.userId, ending < 0.4 ? 'pay' : 'cancel'));
  }

  async #end(id: string, userId: string, verb: 'pay' | 'cancel'): Promise<void> {
    const { client, random } = this.#options;
    const { history } = this;
    await sleep(500 * random());
    const token = await client.token(userId);
    const answer = await this.#insist(() =>
      client.send({ method: 'POST', path: `/v1/orders/${id}/${verb}`, token }),
    );
    const status = (answer.body['orderStatus'] ?? answer.body['status']) as OrderStatus | number | undefined;
    if (typeof status !== 'string') this.#unsettled.set(id, `${verb}: ${answer.text}`);
    else if (verb === 'pay') history.paid(id, status);
    else history.cancelled(id, status);
  }

  async #send(one: Omit<Promise201, 'reservationId'>): Promise<Answer> {
    const { client, saleId } = this.#options;
    const { userId, key, body } = one;
    const token = await client.token(userId);
    const path = `/v1/sales/${saleId}/reservations`;
    const answer = await client.send({ method: 'POST', path, token, key, body });
    if (answer.status === 201) {
      const reservationId = this.history.accept(saleId, userId, key, answer.text).id;
      if (!this.#promises.has(key)) this.#promises.set(key, { ...one, reservationId });
    } else {
      this.history.reject(saleId, String(answer.body['code']));
    }
    return answer;
  }

  /** Sends the same request until there is a definite answer. */
  async #insist(send: () => Promise<Answer>): Promise<Answer> {
    const deadline = performance.now() + GIVE_UP_MS;
    for (;;) {
      const answer = await send().catch(() => undefined);
      const code = answer === undefined ? 'no_answer' : String(answer.body['code']);
      if (answer !== undefined && !REPEATED.has(code)) return answer;
      if (performance.now() > deadline) {
        throw new Error(`${this.saleId}: no definite answer in ${GIVE_UP_MS} ms, the last was ${code}`);
      }
      await sleep(50 + 100 * this.#options.random());
    }
  }
}

function planBody(random: () => number): ReserveRequest {
  const lines =
    random() < 0.2
      ? [
          { sku: 'a', quantity: 1 },
          { sku: 'b', quantity: 1 },
        ]
      : [{ sku: pick(random, ['a', 'b']), quantity: random() < 0.3 ? 2 : 1 }];
  return random() < 0.3 ? { lines, channelId: 'capped' } : { lines };
}
