/** What a campaign must have come by, or it has tried nothing: read from the services' own metrics. */
import type { System } from './system.ts';

const EVERY_MS = 1_000;

interface Sight {
  name: string;
  /** A campaign of several seeds that never saw it has failed. */
  must: boolean;
  /** Counter and the labels that it must have. */
  counter?: string;
  labels?: string;
}

/** A hold that a check found to be unknown to order. */
export const PUBLISHED_AGAIN: Sight = {
  name: 'hold published again',
  must: false,
  counter: 'seckill_stock_gate_published_again_total',
};

export const SIGHTS: readonly Sight[] = [
  {
    name: 'lane compared',
    must: true,
    counter: 'seckill_stock_gate_openings_total',
    labels: 'way="compared"',
  },
  {
    name: 'lane loaded anew',
    must: true,
    counter: 'seckill_stock_gate_openings_total',
    labels: 'way="loaded"',
  },
  { name: 'hold settled by a check', must: false, counter: 'seckill_stock_gate_settled_holds_total' },
  PUBLISHED_AGAIN,
  { name: 'orphan published again', must: true, counter: 'seckill_stock_relay_orphans_total' },
  {
    name: 'same Redis behind a new connection',
    must: true,
    counter: 'seckill_stock_redis_identified_total',
    labels: 'found="same"',
  },
  {
    name: 'other Redis behind a new connection',
    must: true,
    counter: 'seckill_stock_redis_identified_total',
    labels: 'found="other"',
  },
  { name: 'relay pass repeated', must: true, counter: 'seckill_stock_relay_failures_total' },
  {
    name: 'message stored twice',
    must: true,
    counter: 'seckill_order_intake_messages_total',
    labels: 'outcome="duplicate"',
  },
  {
    name: 'intake waited for PostgreSQL',
    must: true,
    counter: 'seckill_order_intake_retries_total',
    labels: 'target="postgres"',
  },
  {
    name: 'settlement without a hold',
    must: true,
    counter: 'seckill_stock_settler_settlements_total',
    labels: 'result="absent"',
  },
  {
    name: 'settler waited for Redis',
    must: true,
    counter: 'seckill_stock_settler_retries_total',
    labels: 'target="redis"',
  },
  { name: 'epoch distrusted', must: true, counter: 'seckill_order_distrusted_epochs_total' },
  {
    name: 'order refused',
    must: false,
    counter: 'seckill_order_orders_ended_total',
    labels: 'verdict="refused"',
  },
  {
    name: 'late money took its units again',
    must: true,
    counter: 'seckill_order_late_money_total',
    labels: 'result="paid"',
  },
  {
    name: 'late money refunded',
    must: true,
    counter: 'seckill_order_late_money_total',
    labels: 'result="refunded"',
  },
  { name: 'money due for refund', must: true, counter: 'seckill_order_refunds_due_total' },
  {
    name: 'webhook tried again',
    must: true,
    counter: 'seckill_order_webhook_attempts_total',
    labels: 'result="retried"',
  },
  { name: '"no" from a gateway\'s memory', must: true, counter: 'seckill_gateway_memory_answers_total' },
  { name: 'heard: outcome_unknown', must: true },
  { name: 'heard: sale_unavailable', must: true },
  { name: 'heard: nothing at all', must: true },
  { name: 'unknown at first, then reserved', must: true },
  { name: 'webhook told twice', must: false },
];

/** Counters of all processes, also of those that were killed since: each as it was last seen. */
export class Reached {
  readonly #last = new Map<number, string>();
  readonly #system: System;
  readonly #timer: NodeJS.Timeout;

  constructor(system: System) {
    this.#system = system;
    this.#timer = setInterval(() => void this.look(), EVERY_MS);
  }

  async look(): Promise<void> {
    await Promise.all(
      this.#system.scrapes.map(async ({ pid, url }) => {
        try {
          const response = await fetch(url, { signal: AbortSignal.timeout(EVERY_MS) });
          this.#last.set(pid, await response.text());
        } catch {
          // Killed or frozen: what it told before stays.
        }
      }),
    );
  }

  count({ counter, labels = '' }: Sight): number {
    let sum = 0;
    for (const text of this.#last.values()) {
      for (const line of text.split('\n')) {
        if (counter === undefined || !line.startsWith(counter) || !line.includes(labels)) continue;
        sum += Number(line.slice(line.lastIndexOf(' ')));
      }
    }
    return sum;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
