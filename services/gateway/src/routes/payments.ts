import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { PaymentNotification } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { FastifyRequest } from 'fastify';
import type { RouteDeps } from '../deps.ts';
import { traceOf } from '../upstream/trace.ts';

/**
 * In a context of its own, whose JSON parser checks the signature over the bytes before anything is made of
 * them: who did not sign learns nothing about the body. Only who did not sign is counted by address: a
 * provider sends all its notices from a few, and one that had to wait for minutes would find the hold
 * expired.
 */
export function paymentRoutes(app: Http, { admit, order, signatures, metrics }: RouteDeps): void {
  void app.register(async (scope) => {
    const parseJson = scope.getDefaultJsonParser('error', 'error');
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser<string>(
      'application/json',
      { parseAs: 'string' },
      async (request: FastifyRequest, body: string) => {
        try {
          signatures.verify(body, request.headers);
        } catch (error) {
          await admit(request);
          throw error;
        }
        return new Promise((resolve, reject) => {
          void parseJson(request, body, (error, value) => {
            if (error === null) resolve(value);
            else reject(error);
          });
        });
      },
    );
    scope
      .withTypeProvider<TypeBoxTypeProvider>()
      .post(
        '/v1/payments/notifications',
        { schema: { body: PaymentNotification } },
        async (request, reply) => {
          const answer = await order.notifyPayment(request.body, traceOf(request));
          metrics.payments.inc({ result: answer.result });
          return reply.header('cache-control', 'no-store').send(answer);
        },
      );
  });
}
