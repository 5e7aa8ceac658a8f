import { Problem } from '@seckill/runtime';
import type { Notice } from './payment.ts';

/**
 * Notices in one transaction. Such a transaction takes a few milliseconds, in which no batch of the intake
 * begins.
 */
const BATCH_COUNT_MAX = 500;
/**
 * Waiting notices beyond this are refused. The provider repeats them, and they would only wait longer
 * here.
 */
const WAITING_MAX = 5_000;

interface Waiting {
  notice: Notice;
  resolve: (isStored: boolean) => void;
  reject: (error: unknown) => void;
}

/**
 * Stores notices that came before their orders, all that wait in one go. One by one, each would bring the
 * intake to a halt for itself, at the very moment when a whole crowd has reserved and pays. That would be
 * about 20 a second instead of thousands.
 */
export class EarlyNotices {
  readonly #store: (notices: Notice[]) => Promise<boolean[]>;
  #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(store: (notices: Notice[]) => Promise<boolean[]>) {
    this.#store = store;
  }

  /**
   * @returns false when the order has arrived meanwhile, and the notice was not stored.
   * @throws Problem `overloaded`; Postgres' own error.
   */
  store(notice: Notice): Promise<boolean> {
    if (this.#waiting.length >= WAITING_MAX) return Promise.reject(new Problem('overloaded'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ notice, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_COUNT_MAX);
      try {
        const isStored = await this.#store(batch.map(({ notice }) => notice));
        for (const [index, { resolve }] of batch.entries()) resolve(isStored[index] === true);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isRunning = false;
  }
}
