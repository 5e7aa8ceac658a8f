import {
  AdjustRequest,
  ChangesQuery,
  IdempotencyKey,
  LIMITS,
  ReasonRequest,
  RestockRequest,
  SaleId,
  SaleInput,
  SalesQuery,
  SalePatch,
  Sku,
  UserId,
  type ControlVerb,
} from '@seckill/contracts';
import { optionalBody, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../invalid-request.ts';
import type { SaleList } from '../sales/sale-list.ts';
import type { Sales } from '../sales/sales.ts';
import type { Standings } from '../standing/standings.ts';
import type { Operator, Steering } from '../sales/steering.ts';

const SaleParams = Type.Object({ saleId: SaleId });
const ItemParams = Type.Object({ saleId: SaleId, sku: Sku });
const ListQuery = Type.Object(
  { ...SalesQuery.properties, channels: Type.Optional(Type.Literal('all')) },
  { additionalProperties: false },
);
const idempotencyKey = Compile(IdempotencyKey);
const userId = Compile(UserId);

const VERBS: { path: string; state: ControlVerb }[] = [
  { path: 'pause', state: 'paused' },
  { path: 'resume', state: 'open' },
  { path: 'close', state: 'closed' },
];

const ITEM_VERBS = [
  { path: 'pause', isPaused: true },
  { path: 'resume', isPaused: false },
] as const;

type Headers = Record<string, string | string[] | undefined>;

/** The operator who changes something, by the headers that the gateway sends. */
export function readOperator(headers: Headers, reason?: string): Operator {
  const by = headers['x-user-id'];
  if (by !== undefined && !userId.Check(by)) refuse('missing_or_malformed', 'x-user-id');
  return { ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) };
}

/** The gateway has checked what the operator sent, and adds the deadline. */
export function readSteering(headers: Headers, reason?: string): Steering {
  const { 'if-match': ifMatch, 'x-deadline': deadline } = headers;
  const steering: Steering = readOperator(headers, reason);
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

/** The routes for the gateway, which has checked who is an operator. */
export function salesRoutes(
  app: Http,
  { sales, saleList, standings }: { sales: Sales; saleList: SaleList; standings: Standings },
): void {
  app.post(
    '/v1/sales',
    { bodyLimit: LIMITS.saleBodyBytesMax, schema: { body: SaleInput } },
    async ({ body, headers }, reply) => {
      const { isNew, record } = await sales.create(body, readOperator(headers));
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

  app.get('/v1/sales/:saleId/standing', { schema: { params: SaleParams } }, async ({ params }) =>
    standings.read(params.saleId),
  );

  for (const { path, state } of VERBS) {
    app.post(
      `/v1/sales/:saleId/${path}`,
      { preValidation: optionalBody, schema: { params: SaleParams, body: ReasonRequest } },
      async ({ params, body, headers }) =>
        sales.change(params.saleId, state, readSteering(headers, body.reason)),
    );
  }

  for (const { path, isPaused } of ITEM_VERBS) {
    app.post(
      `/v1/sales/:saleId/items/:sku/${path}`,
      { preValidation: optionalBody, schema: { params: ItemParams, body: ReasonRequest } },
      async ({ params, body, headers }) =>
        sales.changeItem({ ...params, isPaused }, readSteering(headers, body.reason)),
    );
  }

  app.post(
    '/v1/sales/:saleId/items/:sku/restock',
    { schema: { params: ItemParams, body: RestockRequest } },
    async ({ params, body, headers }) => {
      const key = headers['idempotency-key'];
      if (!idempotencyKey.Check(key)) refuse('missing_or_malformed', 'idempotency-key');
      const { quantity, reason } = body;
      return sales.restock({ ...params, quantity, idempotencyKey: key, ...readSteering(headers, reason) });
    },
  );

  app.post(
    '/v1/sales/:saleId/items/:sku/adjust',
    { schema: { params: ItemParams, body: AdjustRequest } },
    async ({ params, body, headers }) => {
      const key = headers['idempotency-key'];
      if (!idempotencyKey.Check(key)) refuse('missing_or_malformed', 'idempotency-key');
      const { quantity, reason } = body;
      const steering = readSteering(headers, reason);
      return sales.adjust({ ...params, quantity: -quantity, idempotencyKey: key, ...steering });
    },
  );

  app.patch(
    '/v1/sales/:saleId',
    { bodyLimit: LIMITS.saleBodyBytesMax, schema: { params: SaleParams, body: SalePatch } },
    async ({ params, body, headers }) => sales.patch(params.saleId, body, readSteering(headers, body.reason)),
  );

  app.get(
    '/v1/sales/:saleId/changes',
    { schema: { params: SaleParams, querystring: ChangesQuery } },
    async ({ params, query: { limit, ...rest } }) =>
      sales.listChanges(params.saleId, { ...(limit === undefined ? {} : { limit: Number(limit) }), ...rest }),
  );
}
