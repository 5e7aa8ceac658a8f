import { PaymentNotification } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { Payments } from '../payments/payments.ts';

/** For the gateway, which has checked the provider's signature. */
export function paymentsRoutes(app: Http, payments: Payments): void {
  app.post('/v1/payments/notifications', { schema: { body: PaymentNotification } }, async ({ body }) => ({
    result: await payments.accept(body),
  }));
}
