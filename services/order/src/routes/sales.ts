import {
  IdempotencyKey,
  LIMITS,
  RestockRequest,
  SaleId,
  SaleInput,
  SalesQuery,
  Sku,
  type ControlVerb,
} from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../sales/sale-definition.ts';
import type { SaleList } from '../sales/sale-list.ts';
import type { Sales } from '../sales/sales.ts';
import type { Steering } from '../sales/steering.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const ItemParams = Type.Object({ saleId: SaleId, sku: Sku });
const ListQuery = Type.Object(
  { ...SalesQuery.properties, channels: Type.Optional(Type.Literal('all')) },
  { additionalProperties: false },
);
const idempotencyKey = Compile(IdempotencyKey);

const VERBS: { path: string; state: ControlVerb }[] = [
  { path: 'pause', state: 'paused' },
  { path: 'resume', state: 'open' },
  { path: 'close', state: 'closed' },
];

/** The gateway has checked what the operator sent, and adds the deadline. */
function readSteering(headers: Record<string, string | string[] | undefined>): Steering {
  const { 'if-match': ifMatch, 'x-deadline': deadline } = headers;
  const steering: Steering = {};
  if (ifMatch !== undefined) {
    const version = /^"([1-9]\d{0,14})"$/.exec(String(ifMatch))?.[1];
    steering.version = Number(version ?? refuse('missing_or_malformed', 'if-match'));
  }
  if (deadline !== undefined) {
    const instant = /^\d{1,15}$/.exec(String(deadline))?.[0];
    steering.deadline = Number(instant ?? refuse('missing_or_malformed', 'x-deadline'));
  }
  return steering;
}

/** For the gateway, which has checked who is an admin. */
export function salesRoutes(app: Http, sales: Sales, saleList: SaleList): void {
  app.post(
    '/v1/sales',
    { bodyLimit: LIMITS.saleBodyBytesMax, schema: { body: SaleInput } },
    async ({ body }, reply) => {
      const { isNew, record } = await sales.create(body);
      return reply.code(isNew ? 201 : 200).send(record);
    },
  );

  app.get('/v1/sales', { schema: { querystring: ListQuery } }, async ({ query }) => {
    const { limit, channels, ...wanted } = query;
    return saleList.read({
      ...wanted,
      ...(limit === undefined ? {} : { limit: Number(limit) }),
      hasAllChannels: channels === 'all',
    });
  });

  app.get('/v1/clock', async () => ({ now: await sales.readNow() }));

  app.get('/v1/sales/:saleId', { schema: { params: SaleParams } }, async ({ params }) =>
    sales.read(params.saleId),
  );

  for (const { path, state } of VERBS) {
    app.post(`/v1/sales/:saleId/${path}`, { schema: { params: SaleParams } }, async ({ params, headers }) =>
      sales.change(params.saleId, state, readSteering(headers)),
    );
  }

  app.post(
    '/v1/sales/:saleId/items/:sku/restock',
    { schema: { params: ItemParams, body: RestockRequest } },
    async ({ params, body, headers }) => {
      const key = headers['idempotency-key'];
      if (!idempotencyKey.Check(key)) refuse('missing_or_malformed', 'idempotency-key');
      return sales.restock({ ...params, ...body, idempotencyKey: key, ...readSteering(headers) });
    },
  );
}
