import { LIMITS, NoticesQuery, RefundDone, RefundsQuery } from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Notices } from '../payments/notices.ts';
import type { Refunds } from '../payments/refunds.ts';
import { instantOf, limitOf } from './query-values.ts';
import { readSteering } from './sales.ts';

/** The routes for the gateway, which has checked the provider's signature, or that an operator asks. */
export function paymentsRoutes(
  app: Http,
  { notices, refunds }: { notices: Notices; refunds: Refunds },
): void {
  app.register(async (scope) => {
    // The body is kept as the bytes that the provider signed, whatever content type the request names.
    scope.removeAllContentTypeParsers();
    const parser = { parseAs: 'buffer' as const, bodyLimit: LIMITS.noticeBytesMax };
    scope.addContentTypeParser('*', parser, async (_request: unknown, bytes: Buffer) => bytes);
    scope.post('/v1/payments/notifications', async ({ body, headers }) => ({
      result: await notices.receive({
        webhookId: String(headers['webhook-id'] ?? ''),
        bytes: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      }),
    }));
  });

  app.get('/v1/notices', { schema: { querystring: NoticesQuery } }, async ({ query }) =>
    notices.list({
      state: query.state ?? 'kept',
      since: instantOf('since', query.since),
      until: instantOf('until', query.until),
      limit: limitOf(query.limit),
      cursor: query.cursor,
    }),
  );

  app.post(
    '/v1/notices/:noticeId/replay',
    { schema: { params: Type.Object({ noticeId: Type.String() }) } },
    async ({ params }) => notices.replay(params.noticeId),
  );

  app.get('/v1/refunds', { schema: { querystring: RefundsQuery } }, async ({ query }) =>
    refunds.list({
      state: query.state ?? 'due',
      saleId: query.saleId,
      since: instantOf('since', query.since),
      until: instantOf('until', query.until),
      limit: limitOf(query.limit),
      cursor: query.cursor,
    }),
  );

  app.post(
    '/v1/refunds/:refundId/done',
    { schema: { params: Type.Object({ refundId: Type.String() }), body: RefundDone } },
    async ({ params, body, headers }) =>
      refunds.done(params.refundId, body.reference, readSteering(headers).deadline),
  );
}
