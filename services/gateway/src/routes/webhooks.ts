import {
  WebhookDeliveriesQuery,
  WebhookEndpointInput,
  WebhookEndpointPatch,
  WebhookEndpointsQuery,
  WebhookId,
} from '@seckill/contracts';
import type { Http } from '@seckill/runtime';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { traceOf } from '../upstream/trace.ts';
import { takenUp } from './steering.ts';

const EndpointParams = Type.Object({ endpointId: WebhookId });
const DeliveryParams = Type.Object({ endpointId: WebhookId, deliveryId: WebhookId });

/** Outgoing webhooks: operators register endpoints, order tells them. The secrets are answered once. */
export function webhookRoutes(app: Http, { authenticateOperator, order }: RouteDeps): void {
  const all = '/v1/webhook-endpoints';
  const one = `${all}/:endpointId`;
  const guard = { onRequest: authenticateOperator };
  const ofOne = { ...guard, schema: { params: EndpointParams } };
  const dontStore = (reply: FastifyReply) => reply.header('cache-control', 'no-store');

  app.post(all, { ...guard, schema: { body: WebhookEndpointInput } }, async (request, reply) => {
    const endpoint = await order.createWebhookEndpoint(request.body, takenUp(request), traceOf(request));
    return dontStore(reply).status(201).send(endpoint);
  });
  app.get(all, { ...guard, schema: { querystring: WebhookEndpointsQuery } }, async (request, reply) => {
    dontStore(reply);
    return order.webhooks({ method: 'GET', path: request.url }, traceOf(request));
  });
  app.get(one, ofOne, async (request, reply) => {
    dontStore(reply);
    return order.webhooks({ method: 'GET', path: pathOf(request.params) }, traceOf(request));
  });
  app.patch(
    one,
    { ...guard, schema: { params: EndpointParams, body: WebhookEndpointPatch } },
    async (request, reply) => {
      dontStore(reply);
      const { params, body } = request;
      const change = { method: 'PATCH', path: pathOf(params), body } as const;
      return order.changeWebhooks(change, takenUp(request), traceOf(request));
    },
  );
  app.delete(one, ofOne, async (request, reply) => {
    const removal = { method: 'DELETE', path: pathOf(request.params) } as const;
    await order.changeWebhooks(removal, takenUp(request), traceOf(request));
    return dontStore(reply).status(204).send();
  });
  app.post(`${one}/rotate`, ofOne, async (request, reply) => {
    dontStore(reply);
    const rotation = { method: 'POST', path: `${pathOf(request.params)}/rotate` } as const;
    return order.changeWebhooks(rotation, takenUp(request), traceOf(request));
  });
  app.get(
    `${one}/deliveries`,
    { ...guard, schema: { params: EndpointParams, querystring: WebhookDeliveriesQuery } },
    async (request, reply) => {
      dontStore(reply);
      return order.webhooks({ method: 'GET', path: request.url }, traceOf(request));
    },
  );
  app.post(
    `${one}/deliveries/:deliveryId/replay`,
    { ...guard, schema: { params: DeliveryParams } },
    async (request, reply) => {
      dontStore(reply);
      const { deliveryId } = request.params;
      const path = `${pathOf(request.params)}/deliveries/${encodeURIComponent(deliveryId)}/replay`;
      return order.webhooks({ method: 'POST', path }, traceOf(request));
    },
  );
}

function pathOf({ endpointId }: { endpointId: string }): string {
  return `/v1/webhook-endpoints/${encodeURIComponent(endpointId)}`;
}
