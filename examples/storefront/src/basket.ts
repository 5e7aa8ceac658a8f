/** The basket of a sale. All of its lines are reserved together, or none. */

export interface Line {
  sku: string;
  quantity: number;
}

const LINES_MAX = 20;

export class Basket {
  readonly #quantities = new Map<string, number>();

  quantityOf(sku: string): number {
    return this.#quantities.get(sku) ?? 0;
  }

  count(): number {
    return [...this.#quantities.values()].reduce((sum, quantity) => sum + quantity, 0);
  }

  lines(): Line[] {
    return [...this.#quantities].map(([sku, quantity]) => ({ sku, quantity }));
  }

  set(sku: string, quantity: number): void {
    if (quantity <= 0) this.#quantities.delete(sku);
    else if (this.#quantities.has(sku) || this.#quantities.size < LINES_MAX) {
      this.#quantities.set(sku, quantity);
    }
  }

  clear(): void {
    this.#quantities.clear();
  }
}

/**
 * A purchase whose end is not known. The attempt is kept when the page is closed, because a repeat under its
 * key tells the end.
 */
export interface Attempt {
  key: string;
  lines: Line[];
}

const nameOf = (saleId: string): string => `attempt:${saleId}`;

export function keepAttempt(saleId: string, attempt: Attempt): void {
  localStorage.setItem(nameOf(saleId), JSON.stringify(attempt));
}

export function keptAttempt(saleId: string): Attempt | undefined {
  const text = localStorage.getItem(nameOf(saleId));
  return text === null ? undefined : (JSON.parse(text) as Attempt);
}

export function forgetAttempt(saleId: string): void {
  localStorage.removeItem(nameOf(saleId));
}
