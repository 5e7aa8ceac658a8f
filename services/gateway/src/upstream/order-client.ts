import {
  parseReservationId,
  type Order,
  type OrderPage,
  type OrderStanding,
  type OrderStatus,
  type KeptNotice,
  type KeptNoticePage,
  type DeadLetterDone,
  type ParkedMessage,
  type ParkedMessagePage,
  type PaymentAnswer,
  type Pickup,
  type PickupPage,
  type PickupRequest,
  type PickupsQuery,
  type ProblemDocument,
  type Refund,
  type RefundDone,
  type RefundPage,
  type ReturnRequest,
  type SaleChangePage,
  type SaleInput,
  type SalePatch,
  type SaleRecord,
  type SaleRecordPage,
  type SaleReport,
  type SealedOrder,
  type SealedOrderPage,
  type SealedPickup,
  type SealedPickupPage,
  type WebhookEndpoint,
  type WebhookEndpointInput,
} from '@seckill/contracts';
import {
  Problem,
  UpstreamError,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamCall,
} from '@seckill/runtime';
import type { Contacts } from '../contacts/contacts.ts';
import {
  CONFIRMED_CHANGE_MS,
  createOrderCalls,
  isPostgresAway,
  ROW_DECISION_MS,
  type Steering,
  type SteeringCall,
} from './order-calls.ts';
import { traceHeaders, type Trace } from './trace.ts';
import { expectBody, isMissingRoute } from './upstream-answer.ts';

export type SaleVerb = 'pause' | 'resume' | 'close';

export type ItemVerb = 'pause' | 'resume';

export interface ItemPath {
  saleId: string;
  sku: string;
}

export interface Restock extends ItemPath {
  quantity: number;
  idempotencyKey: string;
}

/** Why order tells nothing of a sale's standing. */
export interface OrderAway {
  cause: 'order_away' | 'order_older' | 'postgres_away';
  since?: number;
}

export interface OrderClient {
  createSale(input: SaleInput, by: string, trace: Trace): Promise<{ isNew: boolean; record: SaleRecord }>;
  sale(saleId: string, trace: Trace): Promise<SaleRecord>;
  /** Or why order cannot tell it. @throws Problem `sale_not_found` */
  standing(saleId: string, trace: Trace): Promise<OrderStanding | OrderAway>;
  sales(query: string, trace: Trace): Promise<SaleRecordPage>;
  controlSale(saleId: string, verb: SaleVerb, steering: Steering, trace: Trace): Promise<SaleRecord>;
  patchSale(saleId: string, patch: SalePatch, steering: Steering, trace: Trace): Promise<SaleRecord>;
  controlItem(item: ItemPath, verb: ItemVerb, steering: Steering, trace: Trace): Promise<SaleRecord>;
  restock(restock: Restock, steering: Steering, trace: Trace): Promise<SaleRecord>;
  /** `adjust.quantity` is below 0, and so is what is answered, or 0. */
  adjust(
    adjust: Restock,
    steering: Steering,
    trace: Trace,
  ): Promise<{ adjusted: number; record: SaleRecord }>;
  changes(saleId: string, query: string, trace: Trace): Promise<SaleChangePage>;
  /**
   * As the user sees it, or without one as operators do. Undefined when order knows no such order (of this
   * user).
   */
  order(orderId: string, userId: string | undefined, trace: Trace): Promise<Order | undefined>;
  /** What became of an order, if order tells within `STATUS_MS`. Undefined: silence, or there is no row. */
  orderStatus(orderId: string, userId: string, trace: Trace): Promise<OrderStatus | undefined>;
  /** The orders of a sale, for operators. */
  saleOrders(saleId: string, query: string, trace: Trace): Promise<OrderPage>;
  /** The orders of one buyer over all sales, for operators. */
  ordersOfBuyer(userId: string, query: Record<string, string>, trace: Trace): Promise<OrderPage>;
  orders(query: string, userId: string, trace: Trace): Promise<OrderPage>;
  /** Undefined when order knows no such order of this user (yet). */
  endOrder(
    orderId: string,
    verb: 'cancel' | 'pay',
    buyer: Steering,
    trace: Trace,
  ): Promise<Order | undefined>;
  /** Cancels as an operator. Undefined when order knows no such order (yet). */
  cancelAsOperator(orderId: string, steering: Steering, trace: Trace): Promise<Order | undefined>;
  /** Undefined when order knows no such order (yet). */
  returnLines(
    orderId: string,
    request: Omit<ReturnRequest, 'reason'> & { idempotencyKey: string },
    steering: Steering,
    trace: Trace,
  ): Promise<Order | undefined>;
  /** May take seconds: everything is read that was sold. */
  report(saleId: string, trace: Trace): Promise<SaleReport>;
  pickups(saleId: string, query: PickupsQuery, trace: Trace): Promise<PickupPage>;
  handOut(request: PickupRequest, steering: Steering, trace: Trace): Promise<Pickup>;
  /** Undefined when order knows no such order (yet). */
  moveOrder(orderId: string, channelId: string, steering: Steering, trace: Trace): Promise<Order | undefined>;
  /** The bytes as the provider signed them: order reads them, and keeps what it does not understand. */
  notifyPayment(notice: { webhookId: string; bytes: Buffer }, trace: Trace): Promise<PaymentAnswer>;
  notices(query: string, trace: Trace): Promise<KeptNoticePage>;
  replayNotice(noticeId: string, trace: Trace): Promise<KeptNotice>;
  refunds(query: string, trace: Trace): Promise<RefundPage>;
  finishRefund(refundId: string, done: RefundDone, steering: Steering, trace: Trace): Promise<Refund>;
  /** Takes seconds: order reads all dead letters that there are. */
  deadLetters(query: string, trace: Trace): Promise<ParkedMessagePage>;
  replayDeadLetter(letterId: string, by: string, trace: Trace): Promise<ParkedMessage>;
  finishDeadLetter(letterId: string, done: DeadLetterDone, by: string, trace: Trace): Promise<ParkedMessage>;
  createWebhookEndpoint(
    input: WebhookEndpointInput,
    steering: Steering,
    trace: Trace,
  ): Promise<WebhookEndpoint>;
  /** Changes an endpoint, removes it or gives it a new secret: order's answer is the caller's. */
  changeWebhooks(request: SteeringCall, steering: Steering, trace: Trace): Promise<unknown>;
  /** Any other call about webhooks: order's answer is the caller's. */
  webhooks(request: UpstreamCall, trace: Trace): Promise<unknown>;
}

/** What adds up a whole sale takes longer than a read: order bounds its statements to 10 s and less. */
const REPORT_MS = 15_000;
/** Order waits up to 5 s for a connection to PostgreSQL or a statement, and says then that it has none. */
const STANDING_MS = 7_000;
/** Order joins a group of Kafka, which takes seconds, and reads for up to 8 s. */
const DEAD_LETTERS_MS = 15_000;
/** A buyer who repeats a reservation waits this long for what PostgreSQL knows of it, and no longer. */
const STATUS_MS = 300;

export function createOrderClient(
  upstream: Upstream,
  contacts: Pick<Contacts, 'open' | 'read'>,
): OrderClient {
  const { call, decide, decideConfirmed, order, postgres } = createOrderCalls(upstream);
  const salePath = (saleId: string) => `/v1/sales/${encodeURIComponent(saleId)}`;
  const itemPath = ({ saleId, sku }: ItemPath) => `${salePath(saleId)}/items/${encodeURIComponent(sku)}`;
  /** Operators' calls name the sale of the order. */
  const operatorPath = (orderId: string) =>
    `${salePath(parseReservationId(orderId)?.saleId ?? '')}/orders/${encodeURIComponent(orderId)}`;

  const decideOnRow: typeof decide = (request, steering, trace) =>
    decide(request, { ...steering, withinMs: ROW_DECISION_MS }, trace);

  /** What is told to operators names its buyer. */
  const opened = (order: SealedOrder, userId = order.userId ?? '') => contacts.open(order, userId);
  const openedPage = (page: SealedOrderPage): OrderPage => ({
    ...page,
    data: page.data.map((one) => opened(one)),
  });
  const openedPickup = (saleId: string, { contact: sealed, ...pickup }: SealedPickup): Pickup => {
    const contact = contacts.read(sealed, { ...pickup, saleId });
    return contact === undefined ? pickup : { ...pickup, contact };
  };

  return {
    async createSale(input, by, trace) {
      const answer = await call(
        { method: 'POST', path: '/v1/sales', body: input, timeoutMs: CONFIRMED_CHANGE_MS },
        trace,
        by,
      );
      return { isNew: answer.status === 201, record: expectBody(answer) as SaleRecord };
    },
    async sale(saleId, trace) {
      return expectBody(await call({ method: 'GET', path: salePath(saleId) }, trace)) as SaleRecord;
    },
    async standing(saleId, trace) {
      const request = {
        method: 'GET',
        path: `${salePath(saleId)}/standing`,
        timeoutMs: STANDING_MS,
      } as const;
      const away = (cause: OrderAway['cause'], since?: number): OrderAway => ({
        cause,
        ...(since === undefined ? {} : { since }),
      });
      try {
        const answer = await call(request, trace);
        if (isPostgresAway(answer)) return away('postgres_away', postgres.since);
        if (isMissingRoute(answer)) return away('order_older');
        return expectBody(answer) as OrderStanding;
      } catch (error) {
        if (!(error instanceof Problem) || error.code === 'sale_not_found') throw error;
        return away('order_away', order.since);
      }
    },
    async sales(query, trace) {
      return expectBody(await call({ method: 'GET', path: `/v1/sales${query}` }, trace)) as SaleRecordPage;
    },
    async controlSale(saleId, verb, steering, trace) {
      const path = `${salePath(saleId)}/${verb}`;
      return expectBody(await decideConfirmed({ method: 'POST', path }, steering, trace)) as SaleRecord;
    },
    async patchSale(saleId, patch, steering, trace) {
      const request = { method: 'PATCH', path: salePath(saleId), body: patch } as const;
      return expectBody(await decideConfirmed(request, steering, trace)) as SaleRecord;
    },
    async changes(saleId, query, trace) {
      const path = `${salePath(saleId)}/changes${query}`;
      return expectBody(await call({ method: 'GET', path }, trace)) as SaleChangePage;
    },
    async controlItem(item, verb, steering, trace) {
      const path = `${itemPath(item)}/${verb}`;
      return expectBody(await decideConfirmed({ method: 'POST', path }, steering, trace)) as SaleRecord;
    },
    async restock({ quantity, idempotencyKey, ...item }, steering, trace) {
      const path = `${itemPath(item)}/restock`;
      const headers = { 'idempotency-key': idempotencyKey };
      const answer = await decideConfirmed(
        { method: 'POST', path, body: { quantity }, headers },
        steering,
        trace,
      );
      return expectBody(answer) as SaleRecord;
    },
    async adjust({ quantity, idempotencyKey, ...item }, steering, trace) {
      const path = `${itemPath(item)}/adjust`;
      const headers = { 'idempotency-key': idempotencyKey };
      const answer = await decideConfirmed(
        { method: 'POST', path, body: { quantity }, headers },
        steering,
        trace,
      );
      return expectBody(answer) as { adjusted: number; record: SaleRecord };
    },
    async order(orderId, userId, trace) {
      const path = userId === undefined ? operatorPath(orderId) : `/v1/orders/${encodeURIComponent(orderId)}`;
      const answer = await call({ method: 'GET', path }, trace, userId);
      return isNoSuchOrder(answer) ? undefined : opened(expectBody(answer) as SealedOrder, userId);
    },
    async orderStatus(orderId, userId, trace) {
      const path = `/v1/orders/${encodeURIComponent(orderId)}`;
      const headers = { ...traceHeaders(trace), 'x-user-id': userId };
      try {
        // Silence for this short a time does not say that order is away.
        const answer = await upstream.call({ method: 'GET', path, headers, timeoutMs: STATUS_MS });
        return answer.status === 200 ? (answer.body as SealedOrder).status : undefined;
      } catch (error) {
        if (error instanceof UpstreamError) return undefined;
        throw error;
      }
    },
    async endOrder(orderId, verb, buyer, trace) {
      const path = `/v1/orders/${encodeURIComponent(orderId)}/${verb}`;
      const answer = await decideOnRow({ method: 'POST', path }, buyer, trace);
      return isNoSuchOrder(answer) ? undefined : (expectBody(answer) as Order);
    },
    async saleOrders(saleId, query, trace) {
      const path = `${salePath(saleId)}/orders${query}`;
      return openedPage(expectBody(await call({ method: 'GET', path }, trace)) as SealedOrderPage);
    },
    async ordersOfBuyer(userId, query, trace) {
      const text = new URLSearchParams(query).toString();
      const path = `/v1/users/${encodeURIComponent(userId)}/orders?${text}`;
      return openedPage(expectBody(await call({ method: 'GET', path }, trace)) as SealedOrderPage);
    },
    async cancelAsOperator(orderId, steering, trace) {
      const path = `${operatorPath(orderId)}/cancel`;
      const answer = await decideOnRow({ method: 'POST', path }, steering, trace);
      return isNoSuchOrder(answer) ? undefined : opened(expectBody(answer) as SealedOrder);
    },
    async returnLines(orderId, { idempotencyKey, ...body }, steering, trace) {
      const headers = { 'idempotency-key': idempotencyKey };
      const path = `${operatorPath(orderId)}/returns`;
      const answer = await decideOnRow({ method: 'POST', path, body, headers }, steering, trace);
      return isNoSuchOrder(answer) ? undefined : opened(expectBody(answer) as SealedOrder);
    },
    async report(saleId, trace) {
      const request = { method: 'GET', path: `${salePath(saleId)}/report`, timeoutMs: REPORT_MS } as const;
      return expectBody(await call(request, trace)) as SaleReport;
    },
    async pickups(saleId, query, trace) {
      const path = `${salePath(saleId)}/pickups?${new URLSearchParams(query).toString()}`;
      // The first page adds up what is to be brought.
      const longer = query.cursor === undefined ? { timeoutMs: REPORT_MS } : {};
      const page = expectBody(await call({ method: 'GET', path, ...longer }, trace)) as SealedPickupPage;
      return { ...page, data: page.data.map((pickup) => openedPickup(saleId, pickup)) };
    },
    async handOut(request, steering, trace) {
      const answer = await decide({ method: 'POST', path: '/v1/pickups', body: request }, steering, trace);
      return openedPickup(request.saleId, expectBody(answer) as SealedPickup);
    },
    async moveOrder(orderId, channelId, steering, trace) {
      const path = `${operatorPath(orderId)}/move`;
      const answer = await decideOnRow({ method: 'POST', path, body: { channelId } }, steering, trace);
      return isNoSuchOrder(answer) ? undefined : opened(expectBody(answer) as SealedOrder);
    },
    async notifyPayment({ webhookId, bytes }, trace) {
      const path = '/v1/payments/notifications';
      const headers = { 'webhook-id': webhookId };
      return expectBody(await call({ method: 'POST', path, body: bytes, headers }, trace)) as PaymentAnswer;
    },
    async notices(query, trace) {
      return expectBody(await call({ method: 'GET', path: `/v1/notices${query}` }, trace)) as KeptNoticePage;
    },
    async replayNotice(noticeId, trace) {
      const path = `/v1/notices/${encodeURIComponent(noticeId)}/replay`;
      return expectBody(await call({ method: 'POST', path }, trace)) as KeptNotice;
    },
    async refunds(query, trace) {
      return expectBody(await call({ method: 'GET', path: `/v1/refunds${query}` }, trace)) as RefundPage;
    },
    async finishRefund(refundId, done, steering, trace) {
      const path = `/v1/refunds/${encodeURIComponent(refundId)}/done`;
      return expectBody(await decide({ method: 'POST', path, body: done }, steering, trace)) as Refund;
    },
    async deadLetters(query, trace) {
      const request = {
        method: 'GET',
        path: `/v1/dead-letters${query}`,
        timeoutMs: DEAD_LETTERS_MS,
      } as const;
      return expectBody(await call(request, trace)) as ParkedMessagePage;
    },
    async replayDeadLetter(letterId, by, trace) {
      const path = `/v1/dead-letters/${encodeURIComponent(letterId)}/replay`;
      const request = { method: 'POST', path, timeoutMs: DEAD_LETTERS_MS } as const;
      return expectBody(await call(request, trace, by)) as ParkedMessage;
    },
    async finishDeadLetter(letterId, done, by, trace) {
      const path = `/v1/dead-letters/${encodeURIComponent(letterId)}/done`;
      const request = { method: 'POST', path, body: done, timeoutMs: DEAD_LETTERS_MS } as const;
      return expectBody(await call(request, trace, by)) as ParkedMessage;
    },
    async createWebhookEndpoint(input, steering, trace) {
      const request = { method: 'POST', path: '/v1/webhook-endpoints', body: input } as const;
      return expectBody(await decide(request, steering, trace)) as WebhookEndpoint;
    },
    async changeWebhooks(request, steering, trace) {
      return expectBody(await decide(request, steering, trace));
    },
    async webhooks(request, trace) {
      return expectBody(await call(request, trace));
    },
    async orders(query, userId, trace) {
      const answer = await call({ method: 'GET', path: `/v1/orders${query}` }, trace, userId);
      return expectBody(answer) as OrderPage;
    },
  };
}

/** Any other 404, such as a route that order does not serve, is no word about the order. */
function isNoSuchOrder({ status, body }: UpstreamAnswer): boolean {
  return status === 404 && (body as Partial<ProblemDocument> | undefined)?.code === 'order_not_found';
}
