import {
  AdjustAnswer,
  Audit,
  KeptNotice,
  KeptNoticePage,
  Order,
  OrderPage,
  ParkedMessage,
  ParkedMessagePage,
  PaymentAnswer,
  PaymentNotification,
  Pickup,
  PickupPage,
  Refund,
  RefundPage,
  Reservation,
  RESERVE_OUTCOMES,
  Sale,
  SaleChangePage,
  SaleChannels,
  SaleCounts,
  SaleExplanation,
  SaleOutcomes,
  SalePage,
  SaleReport,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookEndpoint,
  WebhookEndpointPage,
  type ProblemCode,
} from '@seckill/contracts';
import { Type, type TSchema } from 'typebox';

type Header =
  | 'ETag'
  | 'Idempotency-Key'
  | 'Idempotent-Replayed'
  | 'If-Match'
  | 'If-None-Match'
  | 'Last-Event-ID'
  | 'webhook-id'
  | 'webhook-timestamp'
  | 'webhook-signature';

/** What the routes themselves do not say of a call. Paths, parameters and bodies come from the routes. */
export interface Operation {
  /** Names the method of a generated client. */
  id: string;
  tag: 'Sales' | 'Reservations' | 'Orders' | 'Payments' | 'Webhooks' | 'Operations' | 'Health' | 'Contract';
  summary: string;
  description?: string;
  who: 'all' | 'user' | 'operator' | 'provider';
  /** Headers that the call takes. */
  headers?: readonly Header[];
  /** The body, where the route reads it byte by byte. */
  body?: TSchema;
  /** The body may be left out. */
  isBodyOptional?: boolean;
  /** Answers that are no problem, by status. */
  answers: Record<
    number,
    {
      description: string;
      schema?: TSchema;
      mediaType?: string;
      /** Those who ask for it get it as CSV. */
      hasCsv?: boolean;
      headers?: readonly Header[];
    }
  >;
  /** The codes of the call's own; `COMMON_PROBLEMS` come on top. */
  problems: readonly ProblemCode[];
  /** One of those on top that this call never answers, and why is said where it stands. */
  never?: ProblemCode;
  /** Exists only where the gateway runs with this setting. */
  only?: string;
}

/** What every counted call may answer. */
export const COMMON_PROBLEMS = ['rate_limited', 'overloaded', 'invalid_request', 'internal'] as const;
/** What a call with a token may answer besides. */
export const TOKEN_PROBLEMS = ['unauthenticated'] as const;
export const OPERATOR_PROBLEMS = ['forbidden'] as const;
/** What a call with a body may answer besides. */
export const BODY_PROBLEMS = ['body_too_large', 'unsupported_media_type'] as const;

const sale = (description: string) => ({ description, schema: Sale, headers: ['ETag'] as const });
/** A text of events, the data of each of which is one of these. */
const EVENTS = Type.String({ contentSchema: Type.Union([Sale, SaleCounts]) });
const STEERED = { 200: sale('The sale, once stock has applied the change. A repeat changes nothing.') };
const STEERING_PROBLEMS = [
  'sale_not_found',
  'version_conflict',
  'sale_closed',
  'sale_unavailable',
  'outcome_unknown',
] as const;

/** Operations by method and path, as the routes name them. */
export const OPERATIONS: Record<string, Operation> = {
  'POST /v1/sales': {
    id: 'createSale',
    tag: 'Sales',
    summary: 'Create a sale',
    description: 'Answers once stock has acknowledged the sale. The same id and body again change nothing.',
    who: 'operator',
    answers: { 201: sale('The sale is made.'), 200: sale('The sale was there, with the same body.') },
    problems: ['sale_exists', 'sale_unavailable', 'outcome_unknown'],
  },
  'GET /v1/sales': {
    id: 'listSales',
    tag: 'Sales',
    summary: 'List the sales',
    description:
      'Open ones first, then scheduled ones, both by `opensAt`, then the rest. A token that is sent must be good; ' +
      'operators get all fields.',
    who: 'all',
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'A page.', schema: SalePage, headers: ['ETag'] },
      304: { description: 'The page is as the reader has it.' },
    },
    problems: ['unauthenticated', 'sale_unavailable'],
  },
  'GET /v1/sales/:saleId': {
    id: 'getSale',
    tag: 'Sales',
    summary: 'Read a sale',
    description:
      'Counts are at most a second old. `channels` has the channel that is asked for; operators get all channels, with ' +
      'all fields. A token that is sent must be good.',
    who: 'all',
    headers: ['If-None-Match'],
    answers: {
      200: sale('The sale with its counts.'),
      304: { description: 'The sale is as the reader has it.' },
    },
    problems: ['unauthenticated', 'sale_not_found', 'sale_unavailable'],
  },
  'GET /v1/sales/:saleId/channels': {
    id: 'listChannels',
    tag: 'Sales',
    summary: 'List the channels of a sale',
    description:
      'All of them, up to 1,000. A list that was changed has another tag. A token that is sent must be good.',
    who: 'all',
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'The channels.', schema: SaleChannels, headers: ['ETag'] },
      304: { description: 'The list is as the reader has it.' },
    },
    problems: ['unauthenticated', 'sale_not_found', 'sale_unavailable'],
  },
  'GET /v1/sales/:saleId/events': {
    id: 'watchSale',
    tag: 'Sales',
    summary: 'Hear what becomes of a sale',
    description:
      'Server-Sent Events, at most four a second. `sale` comes first and on each change, and its data is a `Sale`. With `?counts=true`, a change of counts or state alone comes as the smaller event `counts` ' +
      'instead, and its data is a `SaleCounts`. `heartbeat` comes every 15 s, and its data is `{ "spreadMs": 2000 }`: over so many ms listeners come back who lose their connection together. The answer ends when the sale is closed.',
    who: 'all',
    headers: ['Last-Event-ID'],
    answers: {
      200: { description: 'The events.', mediaType: 'text/event-stream', schema: EVENTS },
      204: { description: 'The sale is closed, and the reader has its last state.' },
    },
    problems: ['unauthenticated', 'sale_not_found', 'sale_unavailable'],
  },
  'PATCH /v1/sales/:saleId': {
    id: 'changeSale',
    tag: 'Sales',
    summary: 'Change a sale that is not over',
    description:
      'What is absent stays. `opensAt` can change before the opening; of a channel, title and cap can. Channels are added, never taken away. `"limitPerBuyer": null` takes the limit away.',
    who: 'operator',
    headers: ['If-Match'],
    answers: STEERED,
    problems: [...STEERING_PROBLEMS, 'not_changeable'],
  },
  'GET /v1/sales/:saleId/changes': {
    id: 'listChanges',
    tag: 'Sales',
    summary: 'List what operators changed of a sale',
    who: 'operator',
    answers: { 200: { description: 'A page, newest first.', schema: SaleChangePage } },
    problems: ['sale_not_found'],
  },
  'POST /v1/sales/:saleId/pause': {
    id: 'pauseSale',
    tag: 'Sales',
    summary: 'Pause a sale',
    who: 'operator',
    headers: ['If-Match'],
    isBodyOptional: true,
    answers: STEERED,
    problems: STEERING_PROBLEMS,
  },
  'POST /v1/sales/:saleId/resume': {
    id: 'resumeSale',
    tag: 'Sales',
    summary: 'Resume a paused sale',
    who: 'operator',
    headers: ['If-Match'],
    isBodyOptional: true,
    answers: STEERED,
    problems: STEERING_PROBLEMS,
  },
  'POST /v1/sales/:saleId/close': {
    id: 'closeSale',
    tag: 'Sales',
    summary: 'Close a sale for ever',
    who: 'operator',
    headers: ['If-Match'],
    isBodyOptional: true,
    answers: STEERED,
    problems: STEERING_PROBLEMS.filter((code) => code !== 'sale_closed'),
  },
  'POST /v1/sales/:saleId/items/:sku/pause': {
    id: 'pauseItem',
    tag: 'Sales',
    summary: 'Pause one item of a sale',
    description: 'Reservations with this item are refused as `item_paused`. What is held or paid stays.',
    who: 'operator',
    headers: ['If-Match'],
    isBodyOptional: true,
    answers: STEERED,
    problems: [...STEERING_PROBLEMS, 'sku_not_found'],
  },
  'POST /v1/sales/:saleId/items/:sku/resume': {
    id: 'resumeItem',
    tag: 'Sales',
    summary: 'Resume a paused item',
    who: 'operator',
    headers: ['If-Match'],
    isBodyOptional: true,
    answers: STEERED,
    problems: [...STEERING_PROBLEMS, 'sku_not_found'],
  },
  'POST /v1/sales/:saleId/items/:sku/restock': {
    id: 'restockItem',
    tag: 'Sales',
    summary: 'Add units to an item',
    description: 'One key adds once per sale, whoever repeats it.',
    who: 'operator',
    headers: ['Idempotency-Key', 'If-Match'],
    answers: { 200: sale('The sale with the new total.') },
    problems: [...STEERING_PROBLEMS, 'key_reused', 'sku_not_found'],
  },
  'POST /v1/sales/:saleId/items/:sku/adjust': {
    id: 'adjustItem',
    tag: 'Sales',
    summary: 'Take units out of an item',
    description:
      'Takes what is available, up to `quantity`, and nothing that is held or paid. One key takes once per sale, whoever ' +
      'repeats it. `quantity` is below 0; `restock` adds units.',
    who: 'operator',
    headers: ['Idempotency-Key', 'If-Match'],
    answers: { 200: { description: 'The units that were taken out, and the sale.', schema: AdjustAnswer } },
    problems: [...STEERING_PROBLEMS, 'key_reused', 'sku_not_found'],
  },
  'GET /v1/sales/:saleId/audit': {
    id: 'auditSale',
    tag: 'Operations',
    summary: 'Compare what Redis, Kafka and PostgreSQL hold of a sale',
    who: 'operator',
    answers: { 200: { description: 'The verdict on each invariant.', schema: Audit } },
    problems: ['sale_not_found', 'sale_closed', 'sale_unavailable'],
  },
  'GET /v1/sales/:saleId/explain': {
    id: 'explainSale',
    tag: 'Operations',
    summary: 'Read why a sale sells or not, and where its units are',
    description:
      'Answers also while an engine or a service is away, as far as the others know; what is missing then is left out. Words ' +
      'go by `Accept-Language`.',
    who: 'operator',
    answers: {
      200: { description: 'The causes, what stops all first, and the counts.', schema: SaleExplanation },
    },
    problems: ['sale_not_found'],
  },
  'GET /v1/sales/:saleId/report': {
    id: 'reportSale',
    tag: 'Operations',
    summary: 'Read what was sold in a sale',
    description:
      'Units and money by status, item, channel, partner and minute, of one snapshot of the database. As CSV with ' +
      '`Accept: text/csv` or `format=csv`, one `table` a file.',
    who: 'operator',
    answers: { 200: { description: 'The report.', schema: SaleReport, hasCsv: true } },
    problems: ['sale_not_found'],
  },
  'GET /v1/sales/:saleId/outcomes': {
    id: 'countOutcomes',
    tag: 'Operations',
    summary: 'Read how this gateway answered reservations of a sale',
    description:
      'Counts since the gateway started, by outcome. Two readings by the same `gateway` give rates.',
    who: 'operator',
    answers: { 200: { description: 'The counts.', schema: SaleOutcomes } },
    problems: ['sale_not_found'],
  },
  'GET /v1/sales/:saleId/pickups': {
    id: 'listPickups',
    tag: 'Operations',
    summary: 'List the paid orders that are handed out',
    description:
      'Newest first. `load` on the first page has the units that are still to be handed out, of all pages. A page may be ' +
      'short and yet have a `nextCursor`. As CSV with `Accept: text/csv` or `format=csv`, the whole list in one file.',
    who: 'operator',
    answers: { 200: { description: 'A page.', schema: PickupPage, hasCsv: true } },
    problems: ['sale_not_found', 'channel_not_found'],
  },
  'POST /v1/pickups': {
    id: 'handOut',
    tag: 'Operations',
    summary: 'Mark an order as handed out, by its code',
    description:
      'Once. A repeat is `already_picked_up`, with `at`. Goods of a group purchase stay until it is reached.',
    who: 'operator',
    answers: { 200: { description: 'What is to be handed out.', schema: Pickup } },
    problems: ['pickup_not_found', 'already_picked_up', 'nothing_to_pick_up', 'outcome_unknown'],
  },
  'POST /v1/sales/:saleId/reservations': {
    id: 'reserve',
    tag: 'Reservations',
    summary: 'Take units, all lines or none',
    description:
      'The first outcome that applies is answered. A repeat of the key gets the first answer again.',
    who: 'user',
    headers: ['Idempotency-Key'],
    answers: {
      201: {
        description: 'The units are held until `expiresAt`.',
        schema: Reservation,
        headers: ['Idempotent-Replayed'],
      },
    },
    problems: [...RESERVE_OUTCOMES.filter((code) => code !== 'forbidden'), 'outcome_unknown'],
  },
  'GET /v1/orders/:orderId': {
    id: 'getOrder',
    tag: 'Orders',
    summary: 'Read an order of one’s own',
    description: 'Operators read every order, with its buyer and payments.',
    who: 'user',
    answers: { 200: { description: 'The order, from the hold while its row is on its way.', schema: Order } },
    problems: ['order_not_found', 'order_not_ready', 'sale_unavailable'],
  },
  'GET /v1/orders': {
    id: 'listOrders',
    tag: 'Orders',
    summary: 'List one’s own orders, newest first',
    description: 'An operator who names a `userId` gets the orders of this buyer, over all sales.',
    who: 'user',
    answers: { 200: { description: 'A page.', schema: OrderPage } },
    problems: OPERATOR_PROBLEMS,
  },
  'GET /v1/sales/:saleId/orders': {
    id: 'listSaleOrders',
    tag: 'Orders',
    summary: 'List the orders of a sale',
    description:
      'Newest first, or oldest, with their buyers and payments. With `sku` a page may be short, even empty, and yet have a `nextCursor`.',
    who: 'operator',
    answers: { 200: { description: 'A page.', schema: OrderPage } },
    problems: ['sale_not_found'],
  },
  'POST /v1/orders/:orderId/cancel': {
    id: 'cancelOrder',
    tag: 'Orders',
    summary: 'Give an unpaid order back',
    description:
      'Owners send no body. An operator cancels any order with a `reason`, which is kept in the audit trail.',
    who: 'user',
    isBodyOptional: true,
    answers: { 200: { description: 'The order, cancelled. A repeat answers the same.', schema: Order } },
    problems: [
      'order_not_found',
      'order_not_pending',
      'order_not_ready',
      'sale_unavailable',
      'outcome_unknown',
    ],
  },
  'POST /v1/orders/:orderId/returns': {
    id: 'returnLines',
    tag: 'Orders',
    summary: 'Take units of a paid order back',
    description:
      'The units are for sale again or written off, and money for them is due for refund. One key takes back once.',
    who: 'operator',
    headers: ['Idempotency-Key'],
    answers: { 200: { description: 'The order with all that came back.', schema: Order } },
    problems: [
      'order_not_found',
      'order_not_ready',
      'sale_unavailable',
      'nothing_to_return',
      'key_reused',
      'outcome_unknown',
    ],
  },
  'POST /v1/orders/:orderId/move': {
    id: 'moveOrder',
    tag: 'Orders',
    summary: 'Let another channel hand an order out',
    description:
      'The order stays with the channel that it came through. It gets another pick-up code if its own is taken at the ' +
      'new pick-up point.',
    who: 'operator',
    answers: { 200: { description: 'The order. A repeat answers the same.', schema: Order } },
    problems: [
      'order_not_found',
      'order_not_ready',
      'sale_unavailable',
      'order_not_pending',
      'channel_not_found',
      'already_picked_up',
      'outcome_unknown',
    ],
  },
  'POST /v1/orders/:orderId/pay': {
    id: 'payOrder',
    tag: 'Orders',
    summary: 'Pay an order without a provider',
    who: 'user',
    only: 'PAYMENTS=sandbox',
    answers: { 200: { description: 'The order, paid. A repeat answers the same.', schema: Order } },
    problems: [
      'order_not_found',
      'order_not_pending',
      'order_not_ready',
      'sale_unavailable',
      'outcome_unknown',
    ],
  },
  'POST /v1/payments/notifications': {
    id: 'notifyPayment',
    tag: 'Payments',
    summary: 'Tell that money has come',
    description:
      'Signed by Standard Webhooks 1.0.0. After the signature a notice is money: unknown fields and other types are ignored, what is not understood is kept, and nothing is refused for its content.',
    who: 'provider',
    headers: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
    body: PaymentNotification,
    answers: { 200: { description: 'What the money did.', schema: PaymentAnswer } },
    problems: ['bad_signature', 'outcome_unknown', 'body_too_large'],
    // No content is refused, and what is no HTTP message is a call of nothing.
    never: 'invalid_request',
  },
  'GET /v1/notices': {
    id: 'listNotices',
    tag: 'Payments',
    summary: 'List signed notices that were not understood',
    who: 'operator',
    answers: { 200: { description: 'A page, oldest first.', schema: KeptNoticePage } },
    problems: [],
  },
  'POST /v1/notices/:noticeId/replay': {
    id: 'replayNotice',
    tag: 'Payments',
    summary: 'Read a kept notice again',
    who: 'operator',
    answers: { 200: { description: 'The notice with its result.', schema: KeptNotice } },
    problems: ['notice_not_found', 'notice_not_understood', 'notice_not_kept', 'outcome_unknown'],
  },
  'GET /v1/refunds': {
    id: 'listRefunds',
    tag: 'Payments',
    summary: 'List money that is to be given back, or was',
    who: 'operator',
    answers: { 200: { description: 'A page, oldest first.', schema: RefundPage } },
    problems: [],
  },
  'POST /v1/refunds/:refundId/done': {
    id: 'finishRefund',
    tag: 'Payments',
    summary: 'Say that money was given back',
    who: 'operator',
    answers: { 200: { description: 'The refund, done. A repeat answers the same.', schema: Refund } },
    problems: ['refund_not_found', 'refund_done', 'outcome_unknown'],
  },
  'GET /v1/dead-letters': {
    id: 'listDeadLetters',
    tag: 'Operations',
    summary: 'List messages between the services that could not be understood or stored',
    description: 'Takes seconds: all that there are are read.',
    who: 'operator',
    answers: { 200: { description: 'A page, oldest first.', schema: ParkedMessagePage } },
    problems: [],
  },
  'POST /v1/dead-letters/:letterId/replay': {
    id: 'replayDeadLetter',
    tag: 'Operations',
    summary: 'Send such a message again, to where it was met',
    description: 'What was stored already changes nothing. What fails again comes back as a new letter.',
    who: 'operator',
    answers: { 200: { description: 'The letter, replayed.', schema: ParkedMessage } },
    problems: ['dead_letter_not_found', 'dead_letter_not_replayable', 'outcome_unknown'],
  },
  'POST /v1/dead-letters/:letterId/done': {
    id: 'finishDeadLetter',
    tag: 'Operations',
    summary: 'Say that nothing is left to do about such a message',
    description: 'For what can never be replayed, or was dealt with otherwise. Who says so first is kept.',
    who: 'operator',
    answers: { 200: { description: 'The letter, done. A repeat answers the same.', schema: ParkedMessage } },
    problems: ['dead_letter_not_found', 'outcome_unknown'],
  },
  'POST /v1/webhook-endpoints': {
    id: 'createWebhookEndpoint',
    tag: 'Webhooks',
    summary: 'Have a shop’s own system told of events',
    description: 'The answer has the secret, which no other call answers again.',
    who: 'operator',
    answers: { 201: { description: 'The endpoint with its secret.', schema: WebhookEndpoint } },
    problems: ['webhook_endpoints_full', 'outcome_unknown'],
  },
  'GET /v1/webhook-endpoints': {
    id: 'listWebhookEndpoints',
    tag: 'Webhooks',
    summary: 'List endpoints, oldest first',
    who: 'operator',
    answers: { 200: { description: 'A page.', schema: WebhookEndpointPage } },
    problems: [],
  },
  'GET /v1/webhook-endpoints/:endpointId': {
    id: 'getWebhookEndpoint',
    tag: 'Webhooks',
    summary: 'Read an endpoint',
    who: 'operator',
    answers: { 200: { description: 'The endpoint, without its secret.', schema: WebhookEndpoint } },
    problems: ['webhook_endpoint_not_found'],
  },
  'PATCH /v1/webhook-endpoints/:endpointId': {
    id: 'changeWebhookEndpoint',
    tag: 'Webhooks',
    summary: 'Change, pause or enable an endpoint',
    who: 'operator',
    answers: { 200: { description: 'The endpoint.', schema: WebhookEndpoint } },
    problems: ['webhook_endpoint_not_found', 'outcome_unknown'],
  },
  'DELETE /v1/webhook-endpoints/:endpointId': {
    id: 'deleteWebhookEndpoint',
    tag: 'Webhooks',
    summary: 'Remove an endpoint and what waits for it',
    who: 'operator',
    answers: { 204: { description: 'It is gone.' } },
    problems: ['webhook_endpoint_not_found', 'outcome_unknown'],
  },
  'POST /v1/webhook-endpoints/:endpointId/rotate': {
    id: 'rotateWebhookSecret',
    tag: 'Webhooks',
    summary: 'Give an endpoint a new secret',
    description: 'The old one signs along for 24 hours.',
    who: 'operator',
    answers: { 200: { description: 'The endpoint with its new secret.', schema: WebhookEndpoint } },
    problems: ['webhook_endpoint_not_found', 'outcome_unknown'],
  },
  'GET /v1/webhook-endpoints/:endpointId/deliveries': {
    id: 'listWebhookDeliveries',
    tag: 'Webhooks',
    summary: 'List what an endpoint was told and is to be told, newest first',
    who: 'operator',
    answers: { 200: { description: 'A page.', schema: WebhookDeliveryPage } },
    problems: ['webhook_endpoint_not_found'],
  },
  'POST /v1/webhook-endpoints/:endpointId/deliveries/:deliveryId/replay': {
    id: 'replayWebhookDelivery',
    tag: 'Webhooks',
    summary: 'Send an event once more',
    who: 'operator',
    answers: { 200: { description: 'The delivery, pending.', schema: WebhookDelivery } },
    problems: ['webhook_endpoint_not_found', 'webhook_delivery_not_found', 'outcome_unknown'],
  },
  'GET /livez': {
    id: 'isAlive',
    tag: 'Health',
    summary: 'Does the process answer?',
    who: 'all',
    answers: { 200: { description: 'It does.' } },
    problems: [],
  },
  'GET /readyz': {
    id: 'isReady',
    tag: 'Health',
    summary: 'May the process be sent requests?',
    who: 'all',
    answers: { 200: { description: 'It may.' }, 503: { description: 'It starts or drains.' } },
    problems: [],
  },
  'GET /openapi.json': {
    id: 'getContract',
    tag: 'Contract',
    summary: 'This contract',
    who: 'all',
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'OpenAPI 3.1.', headers: ['ETag'] },
      304: { description: 'It is as the reader has it.' },
    },
    problems: [],
    // The answer is a text that the process made when it started.
    never: 'internal',
  },
};
