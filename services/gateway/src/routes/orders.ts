import { OrdersQuery, parseReservationId, type Order, type Reservation } from '@seckill/contracts';
import { Problem, systemClock, type Http } from '@seckill/runtime';
import { Type } from 'typebox';
import type { RouteDeps } from '../deps.ts';
import { traceOf, type Trace } from '../upstream/trace.ts';

/**
 * How long `pay` and `cancel` wait for a row that is on its way, and how often they look. The row is there
 * 120 to 260 ms after the 201, because the relay publishes four times a second. While Kafka is away the
 * caller hears `order_not_ready` after this time.
 */
const ROW_WAIT_MS = 2_000;
const ROW_POLL_MS_MIN = 50;
const ROW_POLL_MS_MAX = 400;
/**
 * How many calls may wait at a time. Each of them asks order some seven times. Beyond this number the buyer
 * is told at once, because a Kafka outage would otherwise flood order.
 */
const ROW_WAITERS_MAX = 200;

const Params = Type.Object({ orderId: Type.String({ minLength: 1, maxLength: 128 }) });

export function orderRoutes(app: Http, deps: RouteDeps): void {
  const { authenticate, order, isSandbox } = deps;
  const owned = { onRequest: authenticate, schema: { params: Params } };

  app.get('/v1/orders/:orderId', owned, async (request, reply) => {
    const { orderId } = request.params;
    const { userId } = request.identity;
    reply.header('cache-control', 'no-store');
    return findOrder(deps, { orderId, userId, trace: traceOf(request) });
  });

  app.get(
    '/v1/orders',
    { onRequest: authenticate, schema: { querystring: OrdersQuery } },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const question = request.url.indexOf('?');
      const query = question === -1 ? '' : request.url.slice(question);
      return order.orders(query, request.identity.userId, traceOf(request));
    },
  );

  let waiters = 0;
  const verbs = isSandbox ? (['cancel', 'pay'] as const) : (['cancel'] as const);
  for (const verb of verbs) {
    app.post(`/v1/orders/:orderId/${verb}`, owned, async (request, reply) => {
      const { orderId } = request.params;
      const { userId } = request.identity;
      reply.header('cache-control', 'no-store');
      if (parseReservationId(orderId) === undefined) throw new Problem('order_not_found');
      const trace = traceOf(request);
      const ended = await order.endOrder(orderId, verb, userId, trace);
      if (ended !== undefined) return ended;
      // This throws `order_not_found`. When it does not, the buyer was promised this order, and its row is on
      // the way.
      await findOrder(deps, { orderId, userId, trace });
      if (waiters >= ROW_WAITERS_MAX) throw new Problem('order_not_ready');
      waiters += 1;
      try {
        const isGone = () => request.raw.socket.destroyed || !deps.isReady();
        const isThere = async () => (await order.order(orderId, userId, trace)) !== undefined;
        if (!(await waitForRow(isThere, isGone))) throw new Problem('order_not_ready');
      } finally {
        waiters -= 1;
      }
      const endedNow = await order.endOrder(orderId, verb, userId, trace);
      if (endedNow === undefined) throw new Problem('order_not_ready');
      return endedNow;
    });
  }
}

/**
 * @returns whether the row came within `ROW_WAIT_MS`, while somebody waits for the answer and we do not
 * drain.
 */
async function waitForRow(isThere: () => Promise<boolean>, isGone: () => boolean): Promise<boolean> {
  const deadline = performance.now() + ROW_WAIT_MS;
  for (let pauseMs = ROW_POLL_MS_MIN; performance.now() < deadline && !isGone(); pauseMs *= 2) {
    await systemClock.sleep(Math.min(pauseMs, ROW_POLL_MS_MAX));
    if (await isThere()) return true;
  }
  return false;
}

interface Wanted {
  orderId: string;
  userId: string;
  trace: Trace;
}

/**
 * Finds the row, or the hold while the row is on its way. The row is looked for again after the hold, because
 * a hold may have been settled between the two looks. A stranger learns nothing but 404.
 * @throws Problem `order_not_found`; `order_not_ready` when neither row nor hold is there and Redis cannot
 * tell.
 */
async function findOrder(deps: RouteDeps, { orderId, userId, trace }: Wanted): Promise<Order> {
  const { order, stock } = deps;
  const saleId = parseReservationId(orderId)?.saleId;
  if (saleId === undefined) throw new Problem('order_not_found');
  const stored = await order.order(orderId, userId, trace);
  if (stored !== undefined) return stored;
  const hold = await stock.hold(orderId, trace);
  if (hold?.userId === userId) return orderFromHold(hold.reservation);
  if (hold !== undefined) throw new Problem('order_not_found');
  // This is asked before the row is looked for again: once the lane is open, everything that was promised is
  // stored.
  const canTell = await canStockTell(deps, saleId, trace);
  const settled = await order.order(orderId, userId, trace);
  if (settled !== undefined) return settled;
  throw new Problem(canTell ? 'order_not_found' : 'order_not_ready');
}

/**
 * While a lane is checked or rebuilt, a missing hold says nothing: Redis may have lost the hold, and its row
 * may still be on its way from Kafka (INV-2). A sale that order does not know, or has retired, has no lane
 * and never will.
 */
async function canStockTell({ order, stock }: RouteDeps, saleId: string, trace: Trace): Promise<boolean> {
  if ((await stock.state(saleId, trace)).gate === 'open') return true;
  try {
    return (await order.sale(saleId, trace)).retired !== undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === 'sale_not_found') return true;
    throw error;
  }
}

function orderFromHold({ userId: _owner, ...order }: Reservation): Order {
  return order;
}
