import {
  IdempotencyKey,
  LIMITS,
  RestockRequest,
  SaleId,
  SaleInput,
  Sku,
  type ControlVerb,
} from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../sales/sale-definition.ts';
import type { Sales } from '../sales/sales.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const ItemParams = Type.Object({ saleId: SaleId, sku: Sku });
const idempotencyKey = Compile(IdempotencyKey);

const VERBS: { path: string; state: ControlVerb }[] = [
  { path: 'pause', state: 'paused' },
  { path: 'resume', state: 'open' },
  { path: 'close', state: 'closed' },
];

/** For the gateway, which has checked who is an admin. */
export function salesRoutes(app: Http, sales: Sales): void {
  app.post(
    '/v1/sales',
    { bodyLimit: LIMITS.saleBodyBytesMax, schema: { body: SaleInput } },
    async ({ body }, reply) => {
      const { isNew, record } = await sales.create(body);
      return reply.code(isNew ? 201 : 200).send(record);
    },
  );

  app.get('/v1/sales/:saleId', { schema: { params: SaleParams } }, async ({ params }) =>
    sales.read(params.saleId),
  );

  for (const { path, state } of VERBS) {
    app.post(`/v1/sales/:saleId/${path}`, { schema: { params: SaleParams } }, async ({ params }) =>
      sales.change(params.saleId, state),
    );
  }

  app.post(
    '/v1/sales/:saleId/items/:sku/restock',
    { schema: { params: ItemParams, body: RestockRequest } },
    async ({ params, body, headers }) => {
      const key = headers['idempotency-key'];
      if (!idempotencyKey.Check(key)) refuse('missing_or_malformed', 'idempotency-key');
      return sales.restock({ ...params, ...body, idempotencyKey: key });
    },
  );
}
