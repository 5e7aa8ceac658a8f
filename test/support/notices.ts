/** What a payment provider sends: signed notices, once or until they are taken. */
import { randomUUID } from 'node:crypto';
import standardwebhooks from 'standardwebhooks';
import { until, type Answer, type Client } from './stack.ts';

export interface Payment {
  orderId: string;
  /** Default: the one payment of this order. */
  paymentId?: string;
  /** In cents; default: 100. */
  amount?: number;
  currency?: string;
}

export interface Signing {
  /** Default: the secret of the stack. */
  secret?: string;
  at?: Date;
}

/** The contents of a notice. */
export function noticeOf(
  { orderId, paymentId = `pay-${orderId}`, amount = 100, currency = 'CNY' }: Payment,
  at = new Date(),
): object {
  return {
    type: 'payment.succeeded',
    timestamp: at.toISOString(),
    data: { orderId, paymentId, amount: { amount, currency } },
  };
}

/** Sends a notice once, whatever it holds. */
export async function sendNotice(
  client: Client,
  notice: object,
  { secret = client.stack.info.webhookSecret, at = new Date() }: Signing = {},
): Promise<Answer> {
  const raw = JSON.stringify(notice);
  const id = randomUUID();
  return client.send({
    method: 'POST',
    path: '/v1/payments/notifications',
    raw,
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new standardwebhooks.Webhook(secret).sign(id, at, raw),
    },
  });
}

/**
 * Sends the notice of a payment until it is taken, as a provider does. A provider repeats for days, and a
 * process that was killed needs its time on a busy machine.
 * @returns what became of the money
 */
export async function pay(client: Client, payment: Payment): Promise<string> {
  let result: unknown;
  await until(
    `the notice of ${payment.orderId} is taken`,
    async () => {
      const answer = await sendNotice(client, noticeOf(payment)).catch(() => undefined);
      result = answer?.body['result'];
      return answer?.status === 200;
    },
    60_000,
  );
  return String(result);
}
