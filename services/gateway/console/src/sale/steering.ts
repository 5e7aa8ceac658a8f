import { ApiError, call } from '../page/api.ts';
import { askFirst, QUANTITY, REASON } from '../page/ask.ts';
import { randomHex } from '../page/random.ts';
import { say } from '../page/words.ts';
import type { ItemVerb } from './items.ts';

export const SALE_VERBS = ['pause', 'resume', 'close'] as const;
export type SaleVerb = (typeof SALE_VERBS)[number];

/** What the view of the sale knows and does. */
interface Scene {
  /** The sale's version as it was seen last. */
  version(): number;
  /** Shows what was done. */
  afterStep(): Promise<void>;
  /** Somebody else changed the sale since the operator was asked. */
  onConflict(): void;
  onTakenOut(sku: string, units: number): void;
}

const bodyOf = (reason: string): object => (reason === '' ? {} : { reason });

/** What an operator may do to a sale, each after a dialog, for the version that was seen then. */
export class Steering {
  readonly #path: string;
  readonly #scene: Scene;

  constructor(path: string, scene: Scene) {
    this.#path = path;
    this.#scene = scene;
  }

  ask(verb: SaleVerb): void {
    const seen = this.#scene.version();
    askFirst(say(verb), { reason: REASON() }, async ({ reason }) => {
      await this.#change(`/${verb}`, seen, { body: bodyOf(reason) });
      await this.#scene.afterStep();
    });
  }

  askItem(verb: ItemVerb, sku: string): void {
    const end = `/items/${encodeURIComponent(sku)}/${verb}`;
    const seen = this.#scene.version();
    const what = `${say(verb)} ${sku}`;
    if (verb === 'pause' || verb === 'resume') {
      askFirst(what, { reason: REASON() }, async ({ reason }) => {
        await this.#change(end, seen, { body: bodyOf(reason) });
        await this.#scene.afterStep();
      });
      return;
    }
    // One dialog changes the units once, however often it is confirmed.
    const key = randomHex(16);
    askFirst(what, { quantity: QUANTITY(), reason: REASON() }, async ({ quantity, reason }) => {
      const units = verb === 'adjust' ? -Number(quantity) : Number(quantity);
      const { adjusted } = await this.#change<{ adjusted?: number }>(end, seen, {
        body: { quantity: units, ...bodyOf(reason) },
        key,
      });
      // What is held or paid is not taken, so it may be less than was asked.
      if (adjusted !== undefined) this.#scene.onTakenOut(sku, -adjusted);
      await this.#scene.afterStep();
    });
  }

  /** @param seen the version at which the operator was asked. @throws ApiError */
  async #change<Answer>(end: string, seen: number, given: { body: object; key?: string }): Promise<Answer> {
    try {
      return await call<Answer>('POST', `${this.#path}${end}`, { ...given, version: seen });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'version_conflict') throw error;
      this.#scene.onConflict();
      throw new ApiError(error.status, error.code, `${error.message} · ${say('steeredMeanwhile')}`);
    }
  }
}
