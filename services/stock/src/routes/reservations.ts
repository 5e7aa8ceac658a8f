import { LIMITS, ReserveItem } from '@seckill/contracts';
import { Problem, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { Stock } from '../stock.ts';
import type { CallerCheck } from './caller-check.ts';

const ReserveBatch = Type.Array(ReserveItem, { minItems: 1, maxItems: LIMITS.reserveBatchMax });
/** The longest valid item, with every character escaped, is about 3.2 kB. */
const ITEM_BYTES_MAX = 4_096;
/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function reservationRoutes(app: Http, options: { stock: Stock; onRequest: CallerCheck }): void {
  app.post(
    '/internal/reservations',
    {
      schema: { body: ReserveBatch },
      bodyLimit: LIMITS.reserveBatchMax * ITEM_BYTES_MAX,
      onRequest: options.onRequest,
    },
    async (request) => {
      for (const [index, { lines }] of request.body.entries()) {
        if (new Set(lines.map(({ sku }) => sku)).size < lines.length) {
          throw new Problem('invalid_request', {
            detail: `${index}.lines: the same SKU twice`,
            extra: { field: `${index}.lines` },
          });
        }
      }
      const traceparent = String(request.headers['traceparent'] ?? '');
      return options.stock.reserve(request.body, TRACEPARENT.test(traceparent) ? traceparent : undefined);
    },
  );
}
