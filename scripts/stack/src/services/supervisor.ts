/**
 * Starts again what ended by itself. The first start comes soon, each later one waits longer, and none comes
 * when the process never lasts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { textOf } from '../errors.ts';
import type { Log } from '../machine/progress.ts';

export interface Waits {
  /** Wait before the first new start. Each further start waits twice as long. */
  firstMs: number;
  /** How many new starts in a row may fail to last. */
  startsMax: number;
  /** A process that ran this long has lasted. What ends it later counts from the beginning. */
  lastingMs: number;
}

/** The waits are 0.5, 1, 2, 4, 8 and 16 s. Together the waits leave half a minute for a cause that passes. */
const WAITS: Waits = { firstMs: 500, startsMax: 6, lastingMs: 60_000 };

export interface SupervisorDeps {
  log: Log;
  /** Called once for a process that is not started any more, with a text for a person. */
  onGiveUp: (text: string) => void;
}

export class Supervisor {
  readonly #deps: SupervisorDeps;
  readonly #waits: Waits;
  readonly #known = new Map<string, { starts: number; startedAt: number }>();
  readonly #stopping = new AbortController();

  constructor(deps: SupervisorDeps, waits: Waits = WAITS) {
    this.#deps = deps;
    this.#waits = waits;
  }

  /** Stops supervising. Whatever ends from now on is meant to end. */
  stop(): void {
    this.#stopping.abort();
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * Starts a process again. `how` tells how it ended. Resolves when it runs again, was given up, or nothing
   * is to be started any more.
   */
  async startAgain(name: string, how: string, start: () => Promise<void>): Promise<void> {
    const { firstMs, startsMax, lastingMs } = this.#waits;
    const known = this.#known.get(name) ?? { starts: 0, startedAt: 0 };
    this.#known.set(name, known);
    if (performance.now() - known.startedAt > lastingMs) known.starts = 0;
    for (let why = how; !this.#isStopping();) {
      if (known.starts === startsMax) {
        this.#deps.onGiveUp(`${name} was started again ${startsMax} times and does not last: ${why}`);
        return;
      }
      const waitMs = firstMs * 2 ** known.starts;
      known.starts += 1;
      this.#deps.log(`${name} ${why}: starting it again in ${waitMs / 1_000} s`);
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#isStopping()) return;
      try {
        known.startedAt = performance.now();
        await start();
        this.#deps.log(`${name} runs again`);
        return;
      } catch (error) {
        why = `does not start (${textOf(error)})`;
      }
    }
  }
}
