/** One good call of each operation of the contract, which a provocation then spoils. */
import { createHmac, randomUUID } from 'node:crypto';
import type { Client as System } from '../../support/stack.ts';

export interface Response {
  content?: Record<string, { examples?: Record<string, { $ref: string }> }>;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  security: object[];
  parameters: { name: string; in: string }[];
  hasBody: boolean;
  isBodyRequired: boolean;
  responses: Record<string, Response>;
}

export interface Document {
  paths: Record<string, Record<string, RawOperation>>;
  components: {
    examples: Record<string, { value: Record<string, unknown> }>;
    schemas: Record<string, object>;
  };
}

interface RawOperation {
  operationId: string;
  security?: object[];
  parameters?: { name: string; in: string }[];
  requestBody?: { required: boolean };
  responses: Record<string, Response>;
}

/** Every operation that answers problem documents. Probes look at the status of the health routes alone. */
export function readOperations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(() => path !== '/livez' && path !== '/readyz')
      .map(([method, { operationId, security = [], parameters = [], requestBody, responses }]) => ({
        id: operationId,
        method: method.toUpperCase(),
        path,
        security,
        parameters,
        hasBody: requestBody !== undefined,
        isBodyRequired: requestBody?.required === true,
        responses,
      })),
  );
}

/** What a call carries; a provocation changes one thing of it. */
export interface Call {
  baseUrl?: string;
  /** Parameters of the path. */
  at?: Record<string, string>;
  query?: string;
  token?: string | undefined;
  headers?: Record<string, string>;
  body?: unknown;
  /** Bytes in the place of `body`. */
  raw?: string;
}

export interface Good {
  operator: string;
  /** The signer of payment notices. */
  sign(body: string): Record<string, string>;
  callOf(operation: Operation): Call;
}

/** Where the paths of good calls lead: to a sale that is open, and to an order that nobody has. */
export const PLACE = {
  saleId: 'pears-examples',
  sku: 'pear-2kg',
  orderId: `pears-examples.0.${'A'.repeat(38)}`,
  noticeId: '999999',
  refundId: '999999',
  letterId: '0-999999999',
  endpointId: 'whe_000000000000000000000000',
  deliveryId: 'whd_000000000000000000000000',
};

const LINES = [{ sku: PLACE.sku, quantity: 1 }];
const closesAt = new Date(Date.now() + 3_600_000).toISOString();

export const BODIES: Record<string, unknown> = {
  createSale: {
    id: 'pears-unmade',
    title: 'Pears',
    closesAt,
    items: [{ sku: PLACE.sku, title: 'Pears 2 kg', price: { amount: 1990, currency: 'CNY' }, total: 10 }],
  },
  changeSale: { title: 'Pears' },
  restockItem: { quantity: 1 },
  adjustItem: { quantity: -1 },
  reserve: { lines: LINES },
  returnLines: { lines: LINES, restock: true },
  moveOrder: { channelId: 'north' },
  handOut: { saleId: PLACE.saleId, code: '000000' },
  finishRefund: { reference: 'bank-1' },
  finishDeadLetter: { reason: 'the buyer was told' },
  createWebhookEndpoint: { url: 'https://shop.example/hook', events: ['order.paid'] },
  changeWebhookEndpoint: { state: 'enabled' },
  notifyPayment: {
    type: 'payment.succeeded',
    timestamp: '2026-11-29T12:00:05Z',
    data: { orderId: PLACE.orderId, paymentId: 'pay-1', amount: { amount: 1990, currency: 'CNY' } },
  },
};

/** Buyers' calls. All others with a token are an operator's. */
const BUYERS = new Set(['reserve', 'getOrder', 'listOrders', 'cancelOrder', 'payOrder']);

export async function makeGoodCalls(system: System, buyer: string): Promise<Good> {
  const [operator, token] = [await system.token('operator', true), await system.token(buyer)];
  const sign = (body: string): Record<string, string> => {
    const [id, at] = [randomUUID(), String(Math.floor(Date.now() / 1_000))];
    const key = Buffer.from(system.stack.info.webhookSecret.replace('whsec_', ''), 'base64');
    const digest = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
    return { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${digest}` };
  };
  return {
    operator,
    sign,
    callOf({ id, security, parameters }) {
      const body = BODIES[id];
      const needsToken = security.length > 0 && !security.some((one) => Object.keys(one).length === 0);
      const needsKey = parameters.some(({ name }) => name === 'Idempotency-Key');
      return {
        at: id === 'closeSale' ? { ...PLACE, saleId: 'pears-closed' } : PLACE,
        ...(needsToken ? { token: BUYERS.has(id) ? token : operator } : {}),
        headers: {
          ...(needsKey ? { 'idempotency-key': randomUUID() } : {}),
          ...(id === 'notifyPayment' ? sign(JSON.stringify(body)) : {}),
        },
        ...(body === undefined ? {} : { body }),
      };
    },
  };
}
