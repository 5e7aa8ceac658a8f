import { setTimeout as sleep } from 'node:timers/promises';
import type { Front } from './front.ts';
import type { Operations } from './operations.ts';
import type { Faults } from './faults.ts';
import { describeFault, drawRound, type Fault } from './plan.ts';
import type { System } from './system.ts';

/**
 * A round of faults, and how long after the last of them units were sold, and an order was paid,
 * everywhere.
 */
export interface Round {
  faults: Fault[];
  /** ms; undefined: not within PROGRESS_MS. */
  sold: number | undefined;
  paid: number | undefined;
}

interface NemesisOptions {
  system: System;
  front: Front;
  operations: Operations;
  faults: Faults;
  probeId: string;
  random: () => number;
  log: (line: string) => void;
}

/** Leases, sessions and attempts of recovery are over long before, on a busy machine too. */
export const PROGRESS_MS = 60_000;
const PROBE_EVERY_MS = 50;
const REST_MS = 2_000;

/** Rounds of faults, one after the other. Each is healed before the next begins, and must be got over. */
export class Nemesis {
  readonly rounds: Round[] = [];
  readonly #options: NemesisOptions;
  #probes = 0;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  async rage(untilMs: number): Promise<void> {
    const { system, random, log, faults: hands } = this.#options;
    const targets = { processes: system.names, ways: [...system.links.keys()] };
    while (performance.now() < untilMs) {
      const faults = drawRound(random, targets);
      log(`round ${this.rounds.length + 1}: ${faults.map(describeFault).join('; ')}`);
      await Promise.all(
        faults.map(async (fault) => {
          await sleep(fault.at);
          await hands.run(fault);
        }),
      );
      const round = { faults, ...(await this.probe()) };
      this.rounds.push(round);
      log(`  sold again after ${round.sold ?? '∞'} ms, paid again after ${round.paid ?? '∞'} ms`);
      await sleep(REST_MS * random());
    }
  }

  /** A buyer at each gateway: until it has a unit, and until its order is paid. */
  async probe(): Promise<{ sold: number | undefined; paid: number | undefined }> {
    const since = performance.now();
    const each = await Promise.all(this.#options.front.gateways.map((by) => this.#buy(by, since)));
    const worst = (times: (number | undefined)[]): number | undefined =>
      times.reduce(
        (most, ms) => (most === undefined || ms === undefined ? undefined : Math.max(most, ms)),
        0,
      );
    return { sold: worst(each.map(({ sold }) => sold)), paid: worst(each.map(({ paid }) => paid)) };
  }

  async #buy(by: string, since: number): Promise<{ sold?: number; paid?: number }> {
    const { probeId, front } = this.#options;
    const body = { lines: [{ sku: 'a', quantity: 1 }] };
    const path = `/v1/sales/${probeId}/reservations`;
    const sold = await this.#until(since, async (user) => {
      const answer = await front.send({ method: 'POST', path, user, key: user, body, by });
      return answer.status === 201 ? String(answer.body['id']) : undefined;
    });
    if (sold === undefined) return {};
    const paid = await this.#until(since, async () => {
      const answer = await front.send({
        method: 'POST',
        path: `/v1/orders/${sold.got}/pay`,
        user: sold.user,
        by,
      });
      return answer.status === 200 ? sold.got : undefined;
    });
    return { sold: sold.ms, ...(paid === undefined ? {} : { paid: paid.ms }) };
  }

  /** Each time another buyer: a key that heard nothing would have to wait. */
  async #until(
    since: number,
    attempt: (user: string) => Promise<string | undefined>,
  ): Promise<{ ms: number; got: string; user: string } | undefined> {
    while (performance.now() - since < PROGRESS_MS) {
      this.#probes += 1;
      const user = `probe${this.#probes}`;
      const got = await attempt(user).catch(() => undefined);
      if (got !== undefined) return { ms: Math.round(performance.now() - since), got, user };
      await sleep(PROBE_EVERY_MS);
    }
    return undefined;
  }
}
