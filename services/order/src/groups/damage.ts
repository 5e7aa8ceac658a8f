import { classifyPostgresError, InvariantError, type Clock, type Logger } from '@seckill/runtime';
import type { GroupMetrics } from './metrics.ts';

export interface DamageDeps {
  clock: Pick<Clock, 'now'>;
  logger: Logger;
  metrics: Pick<GroupMetrics, 'groupsDamaged'>;
}

/** What is damaged is looked at again in case a person has mended it. */
const AGAIN_MS = 60_000;

/**
 * Sales and groups that cannot be decided or ended. A row that contradicts the rest is no proof of a bug of
 * this process: a disk or a person may have written it, and the next process would meet it again (D78). The
 * sale of such a row is left to a person, and the others go on.
 */
export class Damage {
  readonly #deps: DamageDeps;
  /** When each is looked at again, by the name of the sale or group. */
  readonly #until = new Map<string, number>();

  constructor(deps: DamageDeps) {
    this.#deps = deps;
  }

  /**
   * Does the work, unless what is named was found damaged a moment ago.
   * @returns what the work does; undefined of what is damaged.
   */
  async guard<Done>(name: string, facts: object, work: () => Promise<Done>): Promise<Done | undefined> {
    const { clock, logger } = this.#deps;
    if ((this.#until.get(name) ?? Number.NEGATIVE_INFINITY) > clock.now()) return undefined;
    try {
      const done = await work();
      this.#until.delete(name);
      return done;
    } catch (error) {
      if (!(error instanceof InvariantError) && classifyPostgresError(error) !== 'data') throw error;
      this.#until.set(name, clock.now() + AGAIN_MS);
      logger.error({ err: error, ...facts }, 'groups: what is stored of a sale is damaged, its group waits');
      return undefined;
    } finally {
      this.#tell();
    }
  }

  /** What was due to be looked at again and was not is no group any more. */
  forgetMended(): void {
    const { clock } = this.#deps;
    for (const [name, until] of this.#until) {
      if (until + AGAIN_MS < clock.now()) this.#until.delete(name);
    }
    this.#tell();
  }

  #tell(): void {
    this.#deps.metrics.groupsDamaged.set(this.#until.size);
  }
}
