import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reservation, ReserveRequest } from '@seckill/contracts';
import type { History } from '../audit/history.ts';
import type { Buyer, Intent } from './buyers.ts';
import type { Provider } from './provider.ts';
import { pick } from '../random.ts';
import type { Refusal, Shopper } from './shopper.ts';

/** More times than a buyer can pay too late, or has to ask for less. Both loops end earlier. */
const TRIES_MAX = 20;
/** Reservations that a greedy buyer tries to make. */
const GREED = 5;

export interface VisitOptions {
  provider: Provider;
  history: History;
  signal: AbortSignal;
}

/** What a buyer got, and what the buyer asked for at last. */
interface Taken {
  reservation: Reservation;
  request: ReserveRequest;
  hasWaited: boolean;
}

/** The codes of a "no, for now" after which a buyer waits for units that may come back. */
const NOTHING: readonly string[] = [];
const PATIENT: readonly string[] = ['sold_out'];
/** After a payment that came too late, the buyer's own hold may still count for a moment. */
const LATE: readonly string[] = ['sold_out', 'limit_reached'];

/** One buyer's time in the shop. */
export class Visit {
  readonly #buyer: Buyer;
  readonly #shopper: Shopper;
  readonly #options: VisitOptions;
  readonly #checkouts: Promise<void>[] = [];

  constructor(buyer: Buyer, shopper: Shopper, options: VisitOptions) {
    this.#buyer = buyer;
    this.#shopper = shopper;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { lines, channelId, ref, habit, isPatient } = this.#buyer;
    const request: ReserveRequest = {
      lines,
      ...(channelId === undefined ? {} : { channelId }),
      ...(ref === undefined ? {} : { ref }),
    };
    if (habit === 'double-click') await this.#doubleClick(request);
    else await this.#buy(request, habit === 'greedy' ? GREED : 1, isPatient ? PATIENT : NOTHING);
    await Promise.all(this.#checkouts);
  }

  async #doubleClick(request: ReserveRequest): Promise<void> {
    const key = randomUUID();
    const [answer] = await Promise.all([
      this.#shopper.reserve(request, { key }),
      this.#shopper.reserve(request, { key }),
    ]);
    if ('reservation' in answer) this.#checkOut({ ...answer, request, hasWaited: false });
    // The buyer sends the same key once more later, as an impatient thumb does.
    await this.#shopper.reserve(request, { key });
  }

  /** Makes up to `times` reservations, or one if the buyer had to wait for it. */
  async #buy(first: ReserveRequest, times: number, waitsFor: readonly string[]): Promise<void> {
    let request = first;
    for (let reserved = 0; reserved < times; reserved += 1) {
      const taken = await this.#take(request, waitsFor);
      if (taken === undefined) return;
      this.#checkOut(taken);
      if (taken.hasWaited) return;
      request = taken.request;
    }
  }

  /**
   * Makes one reservation. Where a community's share is gone, the buyer comes without the group. Where fewer
   * units are left than asked for, the buyer takes what is left.
   * @param waitsFor the codes after which the buyer waits, unless there is something else to take
   * @returns undefined after a "no".
   */
  async #take(first: ReserveRequest, waitsFor: readonly string[]): Promise<Taken | undefined> {
    let request = first;
    let hasWaited = false;
    const isWorthWaiting = (refusal: Refusal): boolean => {
      if (this.#options.signal.aborted || !waitsFor.includes(refusal.code)) return false;
      if (adjust(request, refusal) !== undefined) return false;
      hasWaited = true;
      return true;
    };
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      const answer = await this.#shopper.reserve(request, { waitsFor: isWorthWaiting });
      if ('reservation' in answer) return { reservation: answer.reservation, request, hasWaited };
      const less = waitsFor.includes('sold_out') ? lessen(request, answer.problem) : undefined;
      const next = adjust(request, answer.problem) ?? less;
      if (next === undefined) return undefined;
      request = next;
    }
    return undefined;
  }

  #checkOut(taken: Taken): void {
    this.#checkouts.push(this.#settle(taken));
  }

  /**
   * Does what the buyer means to do. Who pays too late gets the money back and still wants the units: the
   * buyer comes again, until the order is paid or nothing can come back any more.
   */
  async #settle(first: Taken): Promise<void> {
    // A buyer who waited until units came back pays for them, whatever the buyer meant to do before.
    // Otherwise the last units would be taken and left again without end.
    const intent: Intent = first.hasWaited ? 'notice' : this.#buyer.intent;
    if (intent === 'walk-away') return;
    if (intent === 'cancel') {
      await think();
      const { id } = first.reservation;
      this.#options.history.cancelled(id, await this.#shopper.end(id, 'cancel'));
      return;
    }
    let taken: Taken | undefined = first;
    for (let attempt = 0; attempt < TRIES_MAX && taken !== undefined; attempt += 1) {
      await think();
      const isLate = await this.#pay(taken.reservation, intent);
      if (!isLate || this.#options.signal.aborted) return;
      taken = await this.#take(taken.request, LATE);
    }
  }

  /** @returns whether the money came too late, because the hold had ended. */
  async #pay(reservation: Reservation, how: 'notice' | 'pay'): Promise<boolean> {
    const { provider, history } = this.#options;
    if (how === 'pay') {
      const status = await this.#shopper.end(reservation.id, 'pay');
      history.paid(reservation.id, status);
      return status === 'expired';
    }
    const paymentId = randomUUID();
    const result = await provider.notify(reservation, paymentId);
    history.noticed(reservation.id, result);
    // One notice in eight is sent twice, as providers do.
    if (Math.random() < 0.125) await provider.notify(reservation, paymentId);
    return result === 'refund_due';
  }
}

/** What passes between a reservation and its checkout. */
async function think(): Promise<void> {
  await sleep(100 + 900 * Math.random());
}

/** @returns what the buyer can have at this moment instead, if anything. */
function adjust(request: ReserveRequest, refusal: Refusal): ReserveRequest | undefined {
  if (refusal.code === 'channel_full') {
    const { channelId: _full, ...rest } = request;
    return rest;
  }
  if (refusal.code !== 'sold_out') return undefined;
  const failed = new Map(refusal.lines.map(({ sku, available = 0 }) => [sku, available]));
  const lines = request.lines
    .map(({ sku, quantity }) => ({ sku, quantity: failed.get(sku) ?? quantity }))
    .filter(({ quantity }) => quantity > 0);
  return lines.length > 0 ? { ...request, lines } : undefined;
}

/**
 * @returns one unit of one line, where no hold's end can bring all that was asked for, but may bring a part
 * of it.
 */
function lessen(request: ReserveRequest, refusal: Refusal): ReserveRequest | undefined {
  if (refusal.code !== 'sold_out' || refusal.retryable || refusal.final) return undefined;
  const units = request.lines.reduce((sum, { quantity }) => sum + quantity, 0);
  if (units === 1) return undefined;
  return { ...request, lines: [{ sku: pick(Math.random, request.lines).sku, quantity: 1 }] };
}
