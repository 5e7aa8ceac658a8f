import { call } from '../page/api.ts';
import { element, hint, table } from '../page/dom.ts';
import { say, sayIfKnown } from '../page/words.ts';

interface Tally {
  /** The process that counted. */
  gateway: string;
  /** Its own clock, from which only differences say something. */
  atMs: number;
  outcomes: Record<string, number>;
}

/** Answers a second by outcome, from the counts of two readings of the same gateway. */
export class Outcomes {
  readonly #path: string;
  #last: Tally | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<HTMLElement> {
    const now = await call<Tally>('GET', `${this.#path}/outcomes`);
    const last = this.#last?.gateway === now.gateway ? this.#last : undefined;
    this.#last = now;
    const seconds = last === undefined ? 0 : (now.atMs - last.atMs) / 1_000;
    const rows = Object.entries(now.outcomes)
      .sort(([, a], [, b]) => b - a)
      .map(([outcome, count]) => {
        const rate = seconds <= 0 ? '' : ((count - (last?.outcomes[outcome] ?? 0)) / seconds).toFixed(1);
        return [outcome === 'reserved' ? say('reserved') : sayIfKnown(outcome), rate, String(count)];
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
