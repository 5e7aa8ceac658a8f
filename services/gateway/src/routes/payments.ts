import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { PaymentNotification } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { Services } from '../parts.ts';

/**
 * In a context of its own, whose JSON parser checks the signature over the bytes before anything is made of them:
 * who did not sign learns nothing about the body.
 */
export function paymentRoutes(app: Http, { admit, order, signatures, metrics }: Services): void {
  void app.register(async (scope) => {
    const parseJson = scope.getDefaultJsonParser('error', 'error');
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser<string>(
      'application/json',
      { parseAs: 'string' },
      (request, body, done): void => {
        try {
          signatures.verify(body, request.headers);
        } catch (error) {
          done(error as Error);
          return;
        }
        void parseJson(request, body, done);
      },
    );
    scope
      .withTypeProvider<TypeBoxTypeProvider>()
      .post(
        '/v1/payments/notifications',
        { onRequest: admit, schema: { body: PaymentNotification } },
        async (request, reply) => {
          const answer = await order.notifyPayment(request.body, request.id);
          metrics.payments.inc({ result: answer.result });
          return reply.header('cache-control', 'no-store').send(answer);
        },
      );
  });
}
