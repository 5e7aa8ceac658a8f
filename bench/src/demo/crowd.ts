import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FailedLine, Reservation, ReserveRequest } from '@seckill/contracts';
import type { Pool } from 'undici';
import type { History } from '../audit/history.ts';
import type { Provider } from './provider.ts';
import { pick } from '../random.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { Shopper } from './shopper.ts';

/**
 * `double-click`: sends the same key twice at once. `greedy`: goes on with new keys until told of the limit.
 * `late`: comes when everything is gone.
 */
type Habit = 'plain' | 'double-click' | 'greedy' | 'late';
/** What becomes of a reservation. `walk-away`: the buyer does nothing at all, and the hold runs out. */
type Intent = 'notice' | 'pay' | 'cancel' | 'walk-away';

export interface Buyer {
  userId: string;
  habit: Habit;
  intent: Intent;
  /** A patient buyer keeps trying while units may come back, and pays for what is reserved then. */
  isPatient: boolean;
  /** Milliseconds after the opening. A negative number is a click that comes too early. */
  arrivesAtMs: number;
  channelId?: string;
  ref?: string;
  lines: ReserveRequest['lines'];
}

const HABITS: readonly Habit[] = [
  'plain',
  'plain',
  'plain',
  'plain',
  'double-click',
  'double-click',
  'greedy',
];
// Most buyers pay, through a provider or in the sandbox. One in ten cancels, three in twenty walk away.
const INTENTS: readonly Intent[] = [
  ...Array<Intent>(11).fill('notice'),
  ...Array<Intent>(4).fill('pay'),
  ...Array<Intent>(2).fill('cancel'),
  ...Array<Intent>(3).fill('walk-away'),
];
const PATIENT_SHARE = 0.15;
/** With a second or two between the attempts, this many last longer than any demo. */
const PATIENCE_ATTEMPTS = 120;

export function planCrowd(scenario: Scenario, count: number, random: () => number): Buyer[] {
  const { sale } = scenario;
  return Array.from({ length: count }, (_, index) => {
    const channel = random() < 0.85 ? pick(random, sale.channels ?? []) : undefined;
    const habit = random() < 0.1 ? 'late' : pick(random, HABITS);
    return {
      userId: `buyer-${sale.id}-${index}`,
      habit,
      intent: pick(random, INTENTS),
      isPatient: random() < PATIENT_SHARE,
      arrivesAtMs: arrival(habit, random),
      ...(channel === undefined ? {} : { channelId: channel.id }),
      ...(random() < 0.4 ? { ref: `note-${Math.floor(random() * 40)}` } : {}),
      lines: planLines(scenario, random),
    };
  });
}

/**
 * Draws a buyer's arrival. Some come too early, most within the first second, the rest over the next five.
 * The greedy are quick.
 */
function arrival(habit: Habit, random: () => number): number {
  if (habit === 'late') return 7_000 + 2_000 * random();
  if (habit === 'greedy') return 200 * random();
  const part = random();
  if (part < 0.1) return -1_500 * random();
  return part < 0.75 ? 1_000 * random() : 1_000 + 5_000 * random();
}

function planLines({ sale }: Scenario, random: () => number): ReserveRequest['lines'] {
  const [first, second] = sale.items;
  if (first !== undefined && second !== undefined && random() < 0.25) {
    return [
      { sku: first.sku, quantity: 1 },
      { sku: second.sku, quantity: 1 },
    ];
  }
  return [{ sku: pick(random, sale.items).sku, quantity: random() < 0.3 ? 2 : 1 }];
}

export interface CrowdOptions {
  scenario: Scenario;
  buyers: Buyer[];
  opensAt: number;
  http: Pool;
  /** The connections of buyers who hold units already. */
  checkout: Pool;
  provider: Provider;
  history: History;
  signToken: (userId: string) => Promise<string>;
  signal: AbortSignal;
}

/**
 * Sends every buyer at the buyer's time. Resolves when all have heard a definite answer, or when the signal
 * aborts.
 */
export async function runCrowd(options: CrowdOptions): Promise<void> {
  // Every buyer who waits for its time listens.
  setMaxListeners(0, options.signal);
  await Promise.all(
    options.buyers.map(async (buyer) => {
      const token = await options.signToken(buyer.userId);
      try {
        await sleep(Math.max(0, options.opensAt + buyer.arrivesAtMs - Date.now()), undefined, {
          signal: options.signal,
        });
      } catch {
        return;
      }
      const shopper = new Shopper({ ...options, saleId: options.scenario.sale.id, ...buyer, token });
      await new Visit(buyer, shopper, options).run();
    }),
  );
}

/** One buyer's time in the shop. */
class Visit {
  readonly #buyer: Buyer;
  readonly #shopper: Shopper;
  readonly #options: CrowdOptions;
  readonly #checkouts: Promise<boolean>[] = [];

  constructor(buyer: Buyer, shopper: Shopper, options: CrowdOptions) {
    this.#buyer = buyer;
    this.#shopper = shopper;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { lines, channelId, ref, habit, isPatient, intent } = this.#buyer;
    const request: ReserveRequest = {
      lines,
      ...(channelId === undefined ? {} : { channelId }),
      ...(ref === undefined ? {} : { ref }),
    };
    if (habit === 'double-click') await this.#doubleClick(request);
    else {
      const rest = await this.#insist(request, habit === 'greedy' ? 5 : 1, intent);
      if (rest !== undefined && isPatient) await this.#keepTrying(rest);
    }
    await Promise.all(this.#checkouts);
  }

  async #doubleClick(request: ReserveRequest): Promise<void> {
    const key = this.#shopper.newKey();
    const [answer] = await Promise.all([
      this.#shopper.reserve(request, key),
      this.#shopper.reserve(request, key),
    ]);
    if ('reservation' in answer) this.#checkOut(answer.reservation, this.#buyer.intent);
    // The buyer sends the same key once more later, as an impatient thumb does.
    await this.#shopper.reserve(request, key);
  }

  /**
   * Makes up to `times` reservations. Where a community's share is gone, the buyer comes without the group.
   * Where fewer units are left than asked for, the buyer takes what is left.
   * @returns the request for which nothing is left at the moment, though some may come back.
   */
  async #insist(first: ReserveRequest, times: number, intent: Intent): Promise<ReserveRequest | undefined> {
    let request = first;
    let reserved = 0;
    // The loop ends, because each adjustment happens at most once per line or channel. The bound says so.
    for (let attempt = 0; attempt < times + 8 && reserved < times; attempt += 1) {
      const answer = await this.#shopper.reserve(request, this.#shopper.newKey());
      if ('reservation' in answer) {
        reserved += 1;
        this.#checkOut(answer.reservation, intent);
        continue;
      }
      const { code } = answer.problem;
      const adjusted = adjust(request, answer.problem);
      if (adjusted === undefined) {
        return code === 'sold_out' && answer.problem['final'] === false ? request : undefined;
      }
      request = adjusted;
    }
    return undefined;
  }

  /**
   * Comes back every second or two, until the buyer has paid for something or hears that nothing will come
   * back any more. Money that comes after the hold's end is refunded, and the buyer tries again.
   */
  async #keepTrying(request: ReserveRequest): Promise<void> {
    let wanted = request;
    for (let attempt = 0; attempt < PATIENCE_ATTEMPTS && !this.#options.signal.aborted; attempt += 1) {
      await sleep(1_000 + 1_000 * Math.random());
      const answer = await this.#shopper.reserve(wanted, this.#shopper.newKey());
      if ('reservation' in answer) {
        if (await this.#settle(answer.reservation, 'notice')) return;
      } else if (answer.problem.code === 'channel_full' || Number(answer.problem['available']) > 0) {
        wanted = adjust(wanted, answer.problem) ?? wanted;
      } else if (answer.problem.code !== 'sold_out' || answer.problem['final'] === true) {
        return;
      }
    }
  }

  #checkOut(reservation: Reservation, intent: Intent): void {
    this.#checkouts.push(this.#settle(reservation, intent));
  }

  /** @returns whether the order is paid or its money has arrived. */
  async #settle(reservation: Reservation, intent: Intent): Promise<boolean> {
    const { provider, history } = this.#options;
    if (intent === 'walk-away') return false;
    await sleep(100 + 900 * Math.random());
    if (intent === 'cancel') {
      history.cancelled(reservation.id, await this.#shopper.end(reservation.id, 'cancel'));
      return false;
    }
    if (intent === 'pay') {
      const status = await this.#shopper.end(reservation.id, 'pay');
      history.paid(reservation.id, status);
      return status === 'paid';
    }
    const paymentId = randomUUID();
    const result = await provider.notify(reservation, paymentId);
    history.noticed(reservation.id, result);
    // One notice in eight is sent twice, as providers do.
    if (Math.random() < 0.125) await provider.notify(reservation, paymentId);
    return result !== undefined && result !== 'refund_due';
  }
}

function adjust(request: ReserveRequest, problem: Record<string, unknown>): ReserveRequest | undefined {
  if (problem['code'] === 'channel_full') {
    const { channelId: _full, ...rest } = request;
    return rest;
  }
  if (problem['code'] !== 'sold_out') return undefined;
  const failed = new Map(
    (problem['lines'] as FailedLine[]).map(({ sku, available = 0 }) => [sku, available]),
  );
  const lines = request.lines
    .map(({ sku, quantity }) => ({ sku, quantity: failed.get(sku) ?? quantity }))
    .filter(({ quantity }) => quantity > 0);
  return lines.length > 0 ? { ...request, lines } : undefined;
}
