import { DeadLetterDone, DeadLetterId, DeadLettersQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../../deps.ts';
import { traceOf } from '../../upstream/trace.ts';
import { queryOf } from '../query-text.ts';

/** Messages between the services that could not be understood or stored. */
export function deadLetterRoutes(app: Http, { authenticateOperator, order }: RouteDeps): void {
  app.get(
    '/v1/dead-letters',
    { onRequest: authenticateOperator, schema: { querystring: DeadLettersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.deadLetters(queryOf(request.url), traceOf(request));
    },
  );

  app.post(
    '/v1/dead-letters/:letterId/replay',
    { onRequest: authenticateOperator, schema: { params: Type.Object({ letterId: DeadLetterId }) } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { letterId } = request.params;
      return order.replayDeadLetter(letterId, request.identity.userId, traceOf(request));
    },
  );

  app.post(
    '/v1/dead-letters/:letterId/done',
    {
      onRequest: authenticateOperator,
      schema: { params: Type.Object({ letterId: DeadLetterId }), body: DeadLetterDone },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { params, body, identity } = request;
      return order.finishDeadLetter(params.letterId, body, identity.userId, traceOf(request));
    },
  );
}
