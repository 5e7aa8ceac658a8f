import type { SaleRecord } from '@seckill/contracts';

/**
 * Characters of all definitions as JSON: 134 sales of 50 items and 1,000 channels each, or 46,000 of one
 * item. With the texts made of them they take 40 MB of many channels and 98 MB of many items (measured).
 */
const CHARACTERS_MAX = 16_000_000;

/** A definition under the epoch and the version in which stock confirmed its totals. */
export interface KnownDefinition {
  readonly record: SaleRecord;
  readonly epoch: number;
  /** What stock had reserved by then. Whoever was told of it is told of nothing older afterwards. */
  readonly sequence: number;
}

/**
 * The definitions of the sales that are read, bounded by their size. Beyond the bound the one that was read
 * longest ago is forgotten, and the next reader of that sale makes a call.
 */
export class KnownDefinitions<Known extends KnownDefinition> {
  /** In the order of the last readings. */
  readonly #known = new Map<string, { known: Known; characters: number }>();
  readonly #charactersMax: number;
  #characters = 0;
  /** The last in the order. A crowd reads one sale, which then need not move. */
  #newest: string | undefined;

  constructor(charactersMax = CHARACTERS_MAX) {
    this.#charactersMax = charactersMax;
  }

  get(saleId: string): Known | undefined {
    const entry = this.#known.get(saleId);
    if (entry === undefined) return undefined;
    if (saleId !== this.#newest) {
      this.#known.delete(saleId);
      this.#known.set(saleId, entry);
      this.#newest = saleId;
    }
    return entry.known;
  }

  set(saleId: string, known: Known): void {
    this.delete(saleId);
    const characters = JSON.stringify(known.record.definition).length;
    this.#known.set(saleId, { known, characters });
    this.#newest = saleId;
    this.#characters += characters;
    for (const oldest of this.#known.keys()) {
      if (this.#characters <= this.#charactersMax) return;
      this.delete(oldest);
    }
  }

  delete(saleId: string): void {
    this.#characters -= this.#known.get(saleId)?.characters ?? 0;
    this.#known.delete(saleId);
  }
}
