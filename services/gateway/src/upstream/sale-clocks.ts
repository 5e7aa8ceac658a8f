import type { ReserveAnswer } from '@seckill/contracts';
import { RedisClock } from '@seckill/runtime';

/** Sales whose clock is known. Beyond that all are forgotten: to learn one anew costs one call to stock. */
const SALES_MAX = 1_000;

/**
 * The clock of each sale's Redis, as stock's answers tell it. Nodes of a cluster have clocks of their own,
 * so each sale has one here.
 */
export class SaleClocks {
  readonly #clocks = new Map<string, RedisClock>();

  /** What the clock shows at least, at an instant of our monotonic clock. Undefined while it is not known. */
  earliest(saleId: string, at: number): number | undefined {
    return this.#clocks.get(saleId)?.earliest(at);
  }

  /** `heardAt`: an instant of our monotonic clock. */
  learn(saleId: string, answer: ReserveAnswer, heardAt: number): void {
    const said = readNow(answer);
    if (said === undefined) return;
    let clock = this.#clocks.get(saleId);
    if (clock === undefined) {
      if (this.#clocks.size >= SALES_MAX) this.#clocks.clear();
      clock = new RedisClock();
      this.#clocks.set(saleId, clock);
    }
    clock.read(said, heardAt);
  }
}

function readNow(answer: ReserveAnswer): number | undefined {
  if (answer.outcome === 'late') return answer.now;
  // The script writes its own time into a new reservation.
  const isNew = answer.outcome === 'reserved' && !answer.replayed;
  return isNew ? Date.parse(answer.reservation.reservedAt) : undefined;
}
