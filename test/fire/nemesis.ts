import { setTimeout as sleep } from 'node:timers/promises';
import { LONGEST, type Bounds } from './bounds.ts';
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
  /** ms; undefined: not within the bound. */
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

/** Moments of `performance.now()`. */
interface Wait {
  since: number;
  until: number;
}

const PROBE_EVERY_MS = 50;
const REST_MS = 2_000;
const CALM_PROBES = 3;

/** Rounds of faults, one after the other. Each is healed before the next begins, and must be got over. */
export class Nemesis {
  readonly rounds: Round[] = [];
  readonly #options: NemesisOptions;
  #probes = 0;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /**
   * What buyers need before the first fault, in ms, from the first call until the order is paid.
   * @throws Error when nobody gets that far.
   */
  async calm(): Promise<number[]> {
    const times: number[] = [];
    // The first may wait for Kafka to divide partitions among processes that have just come.
    for (let number = 0; number <= CALM_PROBES; number += 1) {
      const { sold, paid } = await this.probe(LONGEST.progress);
      if (paid === undefined) {
        throw new Error(`not ${sold === undefined ? 'sold' : 'paid'} before the first fault`);
      }
      if (number > 0) times.push(paid);
    }
    return times;
  }

  /** @param bounds how long recovery may take. */
  async rage(untilMs: number, bounds: Bounds): Promise<void> {
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
      const round = { faults, ...(await this.probe(bounds.progress)) };
      this.rounds.push(round);
      log(`  sold again after ${round.sold ?? '∞'} ms, paid again after ${round.paid ?? '∞'} ms`);
      await sleep(REST_MS * random());
    }
  }

  /** A buyer at each gateway: until it has a unit, and until its order is paid. */
  async probe(boundMs: number): Promise<{ sold: number | undefined; paid: number | undefined }> {
    const since = performance.now();
    const wait = { since, until: since + boundMs };
    const each = await Promise.all(this.#options.front.gateways.map((by) => this.#buy(by, wait)));
    const worst = (times: (number | undefined)[]): number | undefined =>
      times.reduce(
        (most, ms) => (most === undefined || ms === undefined ? undefined : Math.max(most, ms)),
        0,
      );
    return { sold: worst(each.map(({ sold }) => sold)), paid: worst(each.map(({ paid }) => paid)) };
  }

  async #buy(by: string, wait: Wait): Promise<{ sold?: number; paid?: number }> {
    const { probeId, front } = this.#options;
    const body = { lines: [{ sku: 'a', quantity: 1 }] };
    const path = `/v1/sales/${probeId}/reservations`;
    const sold = await this.#until(wait, async (user) => {
      const answer = await front.send({ method: 'POST', path, user, key: user, body, by });
      return answer.status === 201 ? String(answer.body['id']) : undefined;
    });
    if (sold === undefined) return {};
    const paid = await this.#until(wait, async () => {
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
    { since, until }: Wait,
    attempt: (user: string) => Promise<string | undefined>,
  ): Promise<{ ms: number; got: string; user: string } | undefined> {
    while (performance.now() < until) {
      this.#probes += 1;
      const user = `probe${this.#probes}`;
      const got = await attempt(user).catch(() => undefined);
      if (got !== undefined) return { ms: Math.round(performance.now() - since), got, user };
      await sleep(PROBE_EVERY_MS);
    }
    return undefined;
  }
}
