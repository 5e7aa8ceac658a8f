/**
 * Since when a service, or the engine behind it, is away as this gateway sees it: the first of its calls that
 * had no answer, since the last one that had.
 */
export class Absence {
  #since: number | undefined;

  get since(): number | undefined {
    return this.#since;
  }

  isAway(): void {
    this.#since ??= Date.now();
  }

  isThere(): void {
    this.#since = undefined;
  }
}
