import { setTimeout as sleep } from 'node:timers/promises';
import { makeReservations } from '../answers/reservations.ts';
import { startRawProcess } from '../generator/raw-process-client.ts';
import { readUse, spentBetween } from '../measure/cpu.ts';
import type { Target } from '../target/target.ts';
import { pidsOf } from './shapes.ts';

export interface IntakeCost {
  orders: number;
  perSecond: number;
  /** µs of CPU for a stored order: the intakes, Kafka and PostgreSQL. */
  cpuUs: number;
}

/** Order's roles but the intake, which gets processes of its own. */
const OTHER_ROLES = 'http,expiry,relay,webhooks';
const REQUESTS_PER_SECOND = 5_000;
const PUBLISHED_MS = 20_000;
const DRAIN_MS = 60_000;
const POLL_MS = 10;
/** How long a group takes to share its partitions out anew, with room. */
const JOIN_MS = 5_000;

/** So many intakes as processes of their own, beside an order service that stores nothing. */
export class Intakes {
  readonly #target: Target;
  readonly #processes: { name: string; stop: () => Promise<void>; pid: number }[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  async begin(): Promise<void> {
    await this.#stack().restart('order', { ROLES: OTHER_ROLES });
  }

  /** Starts or stops processes until there are so many. */
  async become(count: number): Promise<void> {
    while (this.#processes.length < count) {
      const name = `intake-${this.#processes.length + 1}`;
      const { child } = await this.#stack().startProcess({
        service: 'order',
        name,
        env: { ROLES: 'intake' },
      });
      this.#processes.push({ name, pid: child.pid, stop: () => child.stop() });
    }
    while (this.#processes.length > count) await this.#processes.pop()?.stop();
    await sleep(JOIN_MS);
  }

  /**
   * Stops the intakes where they stand (SIGSTOP) while a backlog grows, and times how they store it.
   * @throws Error when an answer was another one than 201, or when this takes longer than a minute.
   */
  async drain(saleId: string, backlogMs: number, connections: number): Promise<IntakeCost> {
    const { engines } = this.#target;
    if (engines === undefined) throw new Error('orders are counted in PostgreSQL');
    const before = await engines.countIntake();
    this.#signal('SIGSTOP');
    try {
      const orders = await this.#fill(saleId, backlogMs, connections);
      const publishedBy = performance.now() + PUBLISHED_MS;
      while ((await engines.outboxLength(saleId)) > 0) {
        if (performance.now() > publishedBy) throw new Error('the backlog is not in Kafka');
        await sleep(POLL_MS);
      }
      const useBefore = readUse(this.#pids());
      this.#signal('SIGCONT');
      const startedAt = performance.now();
      while ((await engines.countIntake()) < before + orders) {
        if (performance.now() - startedAt > DRAIN_MS) throw new Error('the backlog is not stored');
        await sleep(POLL_MS);
      }
      const seconds = (performance.now() - startedAt) / 1_000;
      const spent = Object.values(spentBetween(useBefore, readUse(this.#pids())));
      const cpuSeconds = spent.reduce((sum, one) => sum + one, 0);
      return { orders, perSecond: orders / seconds, cpuUs: (1e6 * cpuSeconds) / orders };
    } finally {
      this.#signal('SIGCONT');
    }
  }

  async #fill(saleId: string, durationMs: number, connections: number): Promise<number> {
    const { hostname, port } = new URL(this.#target.url);
    const count = Math.ceil((REQUESTS_PER_SECOND * durationMs) / 1_000);
    const requests = makeReservations(this.#target, saleId, count);
    const client = await startRawProcess({ host: hostname, port: Number(port), connections, requests });
    try {
      const { answered, statuses, failures } = await client.run(durationMs);
      if (failures > 0 || statuses[201] !== answered) {
        throw new Error(`not all were accepted: ${JSON.stringify(statuses)}, ${failures} failures`);
      }
      return answered;
    } finally {
      client.stop();
    }
  }

  #pids(): Record<string, number> {
    const { kafka, postgres } = pidsOf(this.#target);
    const intakes = this.#processes.map(({ name, pid }) => [name, pid] as const);
    return { kafka: kafka ?? 0, postgres: postgres ?? 0, ...Object.fromEntries(intakes) };
  }

  #signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    for (const { pid } of this.#processes) process.kill(pid, signal);
  }

  #stack(): NonNullable<Target['stack']> {
    const { stack } = this.#target;
    if (stack === undefined) throw new Error('no stack of our own');
    return stack;
  }
}
