import { parseReservationId, type PaymentNotification, type PaymentResult } from '@seckill/contracts';
import { invariant, transaction, type Logger, type Pool } from '@seckill/runtime';
import type { SharedMetrics } from '../metrics.ts';
import { applyNotice, storeEarlyNotices, refundNotice } from './payment-store.ts';
import type { Application, Applied, Notice } from './payment.ts';
import { EarlyNotices } from './early-notices.ts';

export interface PaymentsDeps {
  pool: Pool;
  /** Tells the relay that there is something to publish. */
  wake: () => void;
  /** Tells that money came late, and may take the units of its order again. */
  wakeLateMoney: () => void;
  logger: Logger;
  metrics: SharedMetrics;
}

/**
 * One attempt is for the first look, and one for an order that arrived meanwhile. An order that is there
 * stays.
 */
const ATTEMPTS_MAX = 2;

/** Takes notices of payments, in any order and any number. Every notice is stored. */
export class Payments {
  readonly #deps: PaymentsDeps;
  readonly #earlyNotices: EarlyNotices;

  constructor(deps: PaymentsDeps) {
    this.#deps = deps;
    this.#earlyNotices = new EarlyNotices((notices) => storeEarlyNotices(deps.pool, notices));
  }

  /**
   * @param notification as `readNotice` understands it.
   * @throws Problem `overloaded`; Postgres' own error, and then the provider sends the notice again.
   */
  async accept({ timestamp, data }: PaymentNotification): Promise<PaymentResult> {
    const { orderId, paymentId } = data;
    const notice: Notice = { orderId, paymentId, ...data.amount, providerTimestamp: timestamp };
    const application = await this.#apply(notice);
    report([{ ...notice, application }], this.#deps);
    if (application.result === 'retaking') this.#deps.wakeLateMoney();
    const result = toResult(application);
    this.#deps.metrics.payments.inc({ result });
    return result;
  }

  async #apply(notice: Notice): Promise<Application> {
    const { pool } = this.#deps;
    // What is not one of our ids will never be an order.
    if (parseReservationId(notice.orderId) === undefined) return refundNotice(pool, notice);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const application = await transaction(pool, (client) => applyNotice(client, notice));
      if (application !== undefined) return application;
      if (await this.#earlyNotices.store(notice)) return { result: 'recorded' };
    }
    invariant(false, `order ${notice.orderId} was there, and is not`);
  }
}

/** For the provider the money is recorded until it is known what it buys. */
function toResult(application: Application): PaymentResult {
  if (application.result === 'retaking') return 'recorded';
  return application.result === 'paid' && !application.isNew ? 'already_paid' : application.result;
}

/**
 * Counts what was decided just now, and wakes the relay. Money that buys nothing is for a person to give
 * back. Such money is never dropped, and never silent (D7).
 */
export function report(
  applied: Applied[],
  { wake, logger, metrics }: Pick<PaymentsDeps, 'wake' | 'logger' | 'metrics'>,
): void {
  for (const { orderId, paymentId, application } of applied) {
    if (application.result === 'recorded' || application.result === 'retaking') continue;
    if (!application.isNew) continue;
    if (application.result === 'paid') {
      metrics.ordersEnded.inc({ verdict: 'paid' });
      wake();
    } else {
      const { reason } = application;
      metrics.refundsDue.inc({ reason });
      logger.warn({ orderId, paymentId, reason }, 'payments: refund due');
    }
  }
}
