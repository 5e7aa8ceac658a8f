import { call } from '../page/api.ts';
import { textOfCode } from '../page/codes.ts';
import { element, hint, table } from '../page/dom.ts';
import { say } from '../page/words.ts';

/** Gateways of which the last reading is kept. */
const GATEWAYS_MAX = 50;

interface Tally {
  /** The process that counted. */
  gateway: string;
  /** An instant of that process' own clock, of which only differences say something. */
  atMs: number;
  outcomes: Record<string, number>;
}

/**
 * Answers a second by outcome, from the counts of two readings of the same gateway. A balancer may lead each
 * reading to another one.
 */
export class Outcomes {
  readonly #path: string;
  readonly #lastOf = new Map<string, Tally>();

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<HTMLElement> {
    const now = await call<Tally>('GET', `${this.#path}/outcomes`);
    const last = this.#lastOf.get(now.gateway);
    // The gateway that was read longest ago makes room: each start of a gateway has a name of its own.
    this.#lastOf.delete(now.gateway);
    this.#lastOf.set(now.gateway, now);
    for (const oldest of this.#lastOf.keys()) {
      if (this.#lastOf.size <= GATEWAYS_MAX) break;
      this.#lastOf.delete(oldest);
    }
    const seconds = last === undefined ? 0 : (now.atMs - last.atMs) / 1_000;
    const rows = Object.entries(now.outcomes)
      .sort(([, a], [, b]) => b - a)
      .map(([outcome, count]) => {
        const rate = seconds <= 0 ? '' : ((count - (last?.outcomes[outcome] ?? 0)) / seconds).toFixed(1);
        return [textOfCode(outcome), rate, String(count)];
      });
    return element(
      'div',
      {},
      hint(say('outcomesHint')),
      rows.length === 0
        ? say('none')
        : table(say('outcomes'), [say('outcome'), say('aSecond'), say('inAll')], rows),
    );
  }
}
