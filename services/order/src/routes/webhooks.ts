import {
  WebhookDeliveriesQuery,
  WebhookEndpointInput,
  WebhookEndpointPatch,
  WebhookEndpointsQuery,
  WebhookId,
} from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { WebhookDeliveries } from '../webhooks/deliveries.ts';
import type { WebhookEndpoints } from '../webhooks/endpoints.ts';
import { limitOf } from './query-values.ts';
import { readSteering } from './sales.ts';

const EndpointParams = Type.Object({ endpointId: WebhookId });

export interface WebhookDeps {
  endpoints: WebhookEndpoints;
  deliveries: WebhookDeliveries;
}

/** The routes for the gateway, which has checked that an operator asks. */
export function webhooksRoutes(app: Http, { endpoints, deliveries }: WebhookDeps): void {
  app.post(
    '/v1/webhook-endpoints',
    { schema: { body: WebhookEndpointInput } },
    async ({ body, headers }, reply) =>
      reply.status(201).send(await endpoints.create(body, readSteering(headers))),
  );
  app.get('/v1/webhook-endpoints', { schema: { querystring: WebhookEndpointsQuery } }, async ({ query }) =>
    endpoints.list({ limit: limitOf(query.limit), cursor: query.cursor }),
  );
  const one = '/v1/webhook-endpoints/:endpointId';
  app.get(one, { schema: { params: EndpointParams } }, async ({ params }) =>
    endpoints.read(params.endpointId),
  );
  app.patch(one, { schema: { params: EndpointParams, body: WebhookEndpointPatch } }, async (request) =>
    endpoints.change(request.params.endpointId, request.body, readSteering(request.headers)),
  );
  app.delete(one, { schema: { params: EndpointParams } }, async ({ params, headers }, reply) => {
    await endpoints.remove(params.endpointId, readSteering(headers));
    return reply.status(204).send();
  });
  app.post(`${one}/rotate`, { schema: { params: EndpointParams } }, async ({ params, headers }) =>
    endpoints.rotate(params.endpointId, readSteering(headers)),
  );
  app.get(
    `${one}/deliveries`,
    { schema: { params: EndpointParams, querystring: WebhookDeliveriesQuery } },
    async ({ params, query: { state, limit, cursor } }) =>
      deliveries.list(params.endpointId, { state, limit: limitOf(limit), cursor }),
  );
  app.post(
    `${one}/deliveries/:deliveryId/replay`,
    { schema: { params: Type.Object({ endpointId: WebhookId, deliveryId: WebhookId }) } },
    async ({ params }) => deliveries.replay(params.endpointId, params.deliveryId),
  );
}
