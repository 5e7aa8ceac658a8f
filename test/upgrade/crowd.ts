import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { History } from '../../bench/src/audit/history.ts';
import type { Answer } from '../support/stack.ts';
import type { Call, Fleet } from './fleet.ts';

const BUYERS_AT_ONCE = 4;
/** Answers of the contract after which a client repeats the same call under the same key. */
const REPEAT = new Set([
  'sale_unavailable',
  'outcome_unknown',
  'overloaded',
  'order_not_ready',
  'unavailable',
]);
const REPEAT_MS = 200;
const ATTEMPTS_MAX = 150;

/** Buyers one after the other: reserve until there is an answer, the same key again, read. */
export class Crowd {
  readonly history = new History();
  /** How often each answer came: `POST reservations 201`, `GET order 503 sale_unavailable`. */
  readonly answers = new Map<string, number>();
  /** What no client may see: an answer without the contract's code, or none at all. */
  readonly failures: string[] = [];
  readonly #fleet: Fleet;
  readonly #saleId: string;
  readonly #enough = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(fleet: Fleet, saleId: string) {
    this.#fleet = fleet;
    this.#saleId = saleId;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: BUYERS_AT_ONCE }, () => this.#buyers()));
  }

  /** Waits until so many more reservations were made. */
  async untilSold(count: number, timeoutMs = 60_000): Promise<void> {
    const target = this.history.promised.size + count;
    const deadline = performance.now() + timeoutMs;
    while (this.history.promised.size < target) {
      if (performance.now() > deadline) throw new Error(`the crowd gets nothing: ${this.report()}`);
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    this.#enough.abort();
    await this.#running;
  }

  report(): string {
    return JSON.stringify(Object.fromEntries([...this.answers].sort()));
  }

  async #buyers(): Promise<void> {
    for (let index = 0; !this.#enough.signal.aborted; index += 1) {
      const userId = `buyer-${randomUUID()}`;
      const key = randomUUID();
      const reserve: Call = {
        method: 'POST',
        path: `/v1/sales/${this.#saleId}/reservations`,
        userId,
        key,
        body: { lines: [{ sku: 'a', quantity: 1 }] },
      };
      const first = await this.#send('reserve', reserve);
      if (first?.status !== 201) continue;
      const { id } = this.history.accept(this.#saleId, userId, key, first.text);
      const again = await this.#send('repeat', reserve);
      if (again?.status === 201) this.history.accept(this.#saleId, userId, key, again.text);
      else this.failures.push(`repeat of ${id}: ${again?.status ?? 0} ${again?.text ?? ''}`);
      const read = await this.#send('read', { path: `/v1/orders/${id}`, userId });
      if (read?.status !== 200) this.failures.push(`read of ${id}: ${read?.status ?? 0} ${read?.text ?? ''}`);
      if (index % 2 === 1) continue;
      const paid = await this.#send('pay', { method: 'POST', path: `/v1/orders/${id}/pay`, userId });
      if (paid?.status === 200) this.history.paid(id, 'paid');
    }
  }

  /** Sends a call, and repeats it as the contract tells a client to. */
  async #send(what: string, call: Call): Promise<Answer | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      let answer: Answer;
      try {
        answer = await this.#fleet.send(call);
      } catch (error) {
        // A connection to a gateway that leaves may end without an answer; a client repeats under its key.
        this.#count(`${what} no answer`);
        if (attempt > 5) this.failures.push(`${what}: ${String(error)}`);
        continue;
      }
      const code = answer.status < 400 ? '' : String(answer.body['code']);
      this.#count(`${what} ${answer.status} ${code}`.trim());
      if (!REPEAT.has(code)) {
        if (answer.status >= 500) this.failures.push(`${what} ${call.path}: ${answer.status} ${answer.text}`);
        return answer;
      }
      await sleep(REPEAT_MS);
    }
    this.failures.push(`${what} ${call.path}: never answered`);
    return undefined;
  }

  #count(name: string): void {
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
  }
}
