import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '@seckill/client';
import type { PaymentAnswer, PaymentNotification, PaymentResult, Reservation } from '@seckill/contracts';
import standardwebhooks from 'standardwebhooks';

/** Providers repeat a notice until they hear 200. This one does so for about 20 s, unless it is told more. */
const ATTEMPTS_MAX = 20;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 10_000;

/**
 * Stands in for the payment provider, which no test machine has. This stand-in signs notices as a provider
 * does (Standard Webhooks) and repeats them until they are taken.
 */
export class Provider {
  readonly #transport: Transport;
  readonly #webhook: standardwebhooks.Webhook;
  readonly #attemptsMax: number;

  /** @param attemptsMax with a second between two of them */
  constructor(transport: Transport, secret: string, attemptsMax = ATTEMPTS_MAX) {
    this.#attemptsMax = attemptsMax;
    this.#transport = transport;
    this.#webhook = new standardwebhooks.Webhook(secret);
  }

  /** Sends one notice. The result is undefined when the service never took the notice. */
  async notify(reservation: Reservation, paymentId: string): Promise<PaymentResult | undefined> {
    const notification: PaymentNotification = {
      type: 'payment.succeeded',
      timestamp: new Date().toISOString(),
      data: { orderId: reservation.id, paymentId, amount: reservation.amount },
    };
    const body = JSON.stringify(notification);
    for (let attempt = 0; attempt < this.#attemptsMax; attempt += 1) {
      const result = await this.#send(body);
      if (result !== undefined) return result;
      await sleep(RETRY_MS);
    }
    return undefined;
  }

  async #send(body: string): Promise<PaymentResult | undefined> {
    const at = new Date();
    const id = randomUUID();
    try {
      const answer = await this.#transport({
        method: 'POST',
        url: '/v1/payments/notifications',
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
          'webhook-signature': this.#webhook.sign(id, at, body),
        },
        body,
        timeoutMs: TIMEOUT_MS,
      });
      return answer.status === 200 ? (JSON.parse(answer.text) as PaymentAnswer).result : undefined;
    } catch {
      return undefined;
    }
  }
}
