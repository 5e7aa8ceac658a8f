import { createHash } from 'node:crypto';
import { LIMITS, NoticesQuery, RefundDone, RefundsQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { queryOf } from './query-text.ts';
import { takenUp } from './steering.ts';
import { traceOf } from '../upstream/trace.ts';

/**
 * The longest webhook id that travels as it is. A longer id is known by its hash, so that it fits among the
 * headers of the call to order.
 */
const WEBHOOK_ID_LENGTH_MAX = 255;

/** A notice is money, and its query says nothing. */
const AnyQuery = Type.Object({});

export function paymentRoutes(app: Http, deps: RouteDeps): void {
  notificationRoute(app, deps);
  operatorRoutes(app, deps);
}

/**
 * The notices have a context of their own, which takes any bytes of any type. The signature is checked over
 * these bytes before anything is made of them, and who did not sign learns nothing about the body. Whatever
 * is signed is money. The bytes go to order as they came. Order reads them and keeps what it does not
 * understand. Only who did not sign is counted by address: a provider sends all its notices from a few
 * addresses, and a notice that had to wait for minutes would find the hold expired.
 */
function notificationRoute(app: Http, { admit, order, signatures, metrics }: RouteDeps): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    const parser = { parseAs: 'buffer' as const, bodyLimit: LIMITS.noticeBytesMax };
    scope.addContentTypeParser('*', parser, async (_request: unknown, bytes: Buffer) => bytes);
    scope.setErrorHandler(async (error, request, reply) => {
      if (isTooLarge(error)) await refuseTooLarge(request, reply);
      throw error;
    });
    // Nobody can know who signed a body that was not read to its end.
    async function refuseTooLarge(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      await admit(request, reply);
      metrics.payments.inc({ result: 'too_large' });
      request.log.error(
        { webhookId: request.headers['webhook-id'], bytesMax: LIMITS.noticeBytesMax },
        'payments: a notice is too large to be kept, and is refused',
      );
    }
    // The content type that the notice claims decides nothing, and a malformed type must not lose the notice.
    scope.addHook('onRequest', async ({ headers }) => {
      headers['content-type'] = 'application/octet-stream';
    });
    const options = { schema: { querystring: AnyQuery }, config: { readsBody: true } };
    scope.post('/v1/payments/notifications', options, async (request, reply) => {
      // Without a body no parser runs.
      const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      try {
        signatures.verify(bytes, request.headers);
      } catch (error) {
        await admit(request);
        throw error;
      }
      const webhookId = shorten(String(request.headers['webhook-id']));
      const answer = await order.notifyPayment({ webhookId, bytes }, traceOf(request));
      metrics.payments.inc({ result: answer.result });
      return reply.header('cache-control', 'no-store').send(answer);
    });
  });
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';
}

function shorten(webhookId: string): string {
  if (webhookId.length <= WEBHOOK_ID_LENGTH_MAX) return webhookId;
  return `sha256-${createHash('sha256').update(webhookId, 'latin1').digest('hex')}`;
}

/** What needs a person: notices that were not understood, and money to be given back. */
function operatorRoutes(app: Http, { authenticateOperator, order }: RouteDeps): void {
  const notices = { onRequest: authenticateOperator, schema: { querystring: NoticesQuery } };
  app.get('/v1/notices', notices, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    return order.notices(queryOf(request.url), traceOf(request));
  });

  app.post(
    '/v1/notices/:noticeId/replay',
    { onRequest: authenticateOperator, schema: { params: Type.Object({ noticeId: Type.String() }) } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.replayNotice(request.params.noticeId, traceOf(request));
    },
  );

  const refunds = { onRequest: authenticateOperator, schema: { querystring: RefundsQuery } };
  app.get('/v1/refunds', refunds, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    return order.refunds(queryOf(request.url), traceOf(request));
  });

  app.post(
    '/v1/refunds/:refundId/done',
    {
      onRequest: authenticateOperator,
      schema: { params: Type.Object({ refundId: Type.String() }), body: RefundDone },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return order.finishRefund(request.params.refundId, request.body, takenUp(request), traceOf(request));
    },
  );
}
