import { Type, type Static } from 'typebox';
import { Instant } from '../values/instant.ts';
import { pageCursor, PageLimit } from '../values/page.ts';

/** What a shop's own systems can be told. */
export const WEBHOOK_EVENTS = [
  'order.paid',
  'order.expired',
  'order.cancelled',
  'order.refused',
  'order.returned',
  'sale.opened',
  'sale.sold_out',
  'sale.closed',
  'group.reached',
  'group.failed',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];
export const WebhookEvent = Type.Enum(WEBHOOK_EVENTS);

/** Bounds of the outgoing webhooks. */
export const WEBHOOK_LIMITS = {
  endpointsMax: 100,
  urlLengthMax: 2_048,
} as const;

/** Opaque, of an endpoint or a delivery. Postgres takes no NUL, which a path may hold (`%00`). */
export const WebhookId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' });

// Order parses the address and says what is wrong with it.
const Url = Type.String({
  minLength: 1,
  maxLength: WEBHOOK_LIMITS.urlLengthMax,
  pattern: '^[\\x21-\\x7e]+$',
});
const Events = Type.Array(WebhookEvent, {
  minItems: 1,
  maxItems: WEBHOOK_EVENTS.length,
  uniqueItems: true,
});

/** Body of `POST /v1/webhook-endpoints`. */
export const WebhookEndpointInput = Type.Object(
  { url: Url, events: Events },
  { additionalProperties: false },
);
export type WebhookEndpointInput = Static<typeof WebhookEndpointInput>;

/** Body of `PATCH /v1/webhook-endpoints/:endpointId`. */
export const WebhookEndpointPatch = Type.Object(
  {
    url: Type.Optional(Url),
    events: Type.Optional(Events),
    state: Type.Optional(Type.Union([Type.Literal('enabled'), Type.Literal('paused')])),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type WebhookEndpointPatch = Static<typeof WebhookEndpointPatch>;

export const WebhookEndpoint = Type.Object({
  id: Type.String(),
  url: Type.String(),
  events: Type.Array(WebhookEvent),
  /** `paused`: events are kept for it. `disabled`: it answered 410, and nothing is kept for it. */
  state: Type.Union([Type.Literal('enabled'), Type.Literal('paused'), Type.Literal('disabled')]),
  createdAt: Instant,
  /** Only in the answers to its creation and to a rotation: `whsec_` and 32 bytes in base64. */
  secret: Type.Optional(Type.String()),
});
export type WebhookEndpoint = Static<typeof WebhookEndpoint>;

export const WebhookEndpointPage = Type.Object({
  data: Type.Array(WebhookEndpoint),
  nextCursor: Type.Optional(Type.String()),
});
export type WebhookEndpointPage = Static<typeof WebhookEndpointPage>;

const DeliveryState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('delivered'),
  Type.Literal('failed'),
]);
export type WebhookDeliveryState = Static<typeof DeliveryState>;

export const WebhookDelivery = Type.Object({
  /** The header `webhook-id`: the same in every attempt, and other ones at other endpoints. */
  id: Type.String(),
  type: WebhookEvent,
  /** The order's id, or the sale's; of a channel's group `<sale's id>/<channel's id>`. */
  subject: Type.String(),
  /** `failed`: given up, after three days or because the endpoint answered 410. */
  state: DeliveryState,
  attempts: Type.Integer(),
  createdAt: Instant,
  /** While it is pending. */
  nextAttemptAt: Type.Optional(Instant),
  deliveredAt: Type.Optional(Instant),
  /** What the endpoint answered last. */
  lastStatus: Type.Optional(Type.Integer()),
  /** Why the last attempt failed, where there was no answer or not a good one. */
  lastError: Type.Optional(Type.String()),
});
export type WebhookDelivery = Static<typeof WebhookDelivery>;

export const WebhookDeliveryPage = Type.Object({
  data: Type.Array(WebhookDelivery),
  nextCursor: Type.Optional(Type.String()),
});
export type WebhookDeliveryPage = Static<typeof WebhookDeliveryPage>;

const PAGE = { limit: Type.Optional(PageLimit), cursor: Type.Optional(pageCursor(100)) };

export const WebhookEndpointsQuery = Type.Object(PAGE, { additionalProperties: false });
export const WebhookDeliveriesQuery = Type.Object(
  { state: Type.Optional(DeliveryState), ...PAGE },
  { additionalProperties: false },
);
