import { follow } from './follow.ts';
import type { Call, CallOptions, Connection, Followed } from './follow.ts';
import { makeKey } from './key.ts';
import type { LiveSourceClass } from './live.ts';
import { onLeave } from './leave.ts';
import type { Page } from './leave.ts';
import type { Order, OrderPage, ReserveRequest, ReserveResult, Result, Sale, SalePage } from './results.ts';
import { createServerClock } from './server-clock.ts';
import { fetchTransport } from './transport.ts';
import type { Transport } from './transport.ts';
import { watch } from './watch.ts';
import type { WatchOptions } from './watch.ts';

const DEADLINE_MS = 30_000;
const TIMEOUT_MS = 3_000;
const LEAVE_TIMEOUT_MS = 3_000;

export interface ClientOptions {
  /** Where the API is, as `https://api.example.com`. An empty one is the page's own origin. */
  baseUrl: string;
  /**
   * The buyer's JWT, or what gives one. The function is called before every try, so that a token may be
   * renewed. After a 401 the function is told the token that was refused, and if another one comes, the call
   * is repeated with that one, once.
   */
  token?: string | ((refused?: string) => string | Promise<string>);
  /** Default: `fetch`. */
  transport?: Transport;
  /** Default: the platform's `EventSource`. Where there is none, and with null, a watch polls. */
  eventSource?: LiveSourceClass | null;
  /** ms after which a call ends with what is known; default 30,000. */
  deadlineMs?: number;
  /**
   * ms after which a try without an answer is given up, and sent again; default 3,000. A transport in which
   * requests wait for each other needs more.
   */
  timeoutMs?: number;
}

export interface SaleQuery {
  state?: 'open' | 'scheduled' | 'paused' | 'closed';
  /** Only sales that have this channel. */
  channelId?: string;
  /** Sales a page, 1 to 100; default 20. */
  limit?: number;
}

export interface OrderQuery {
  saleId?: string;
  status?: Order['status'];
  /** Orders a page, 1 to 100; default 20. */
  limit?: number;
}

export interface Client {
  getSale(saleId: string, options?: CallOptions): Promise<Result<Sale, 'getSale'>>;
  /** The sales, open ones first, page by page. */
  listSales(query?: SaleQuery, options?: CallOptions): AsyncGenerator<Result<SalePage, 'listSales'>, void>;
  /**
   * Hears of the sale by `EventSource`, or looks at it where that is missing, full or broken, until it is
   * closed, and yields what changed. A failure is yielded where the sale cannot be read until the deadline;
   * the watch goes on when the failure is retryable.
   */
  watchSale(saleId: string, options?: WatchOptions): AsyncGenerator<Result<Sale, 'getSale'>, void>;
  /** @param options `key`: the key of an earlier call that ended in doubt; default: a new one. */
  reserve(
    saleId: string,
    request: ReserveRequest,
    options?: CallOptions & { key?: string },
  ): Promise<ReserveResult>;
  getOrder(orderId: string, options?: CallOptions): Promise<Result<Order, 'getOrder'>>;
  /** The buyer's orders, newest first, page by page. */
  listOrders(
    query?: OrderQuery,
    options?: CallOptions,
  ): AsyncGenerator<Result<OrderPage, 'listOrders'>, void>;
  cancel(orderId: string, options?: CallOptions): Promise<Result<Order, 'cancelOrder'>>;
  /** Pays in the sandbox. A real payment goes through the shop's provider. */
  pay(orderId: string, options?: CallOptions): Promise<Result<Order, 'payOrder'>>;
  /**
   * Cancels the order when the page is left. Call what it returns before the page is left for the payment,
   * for that leaves the page as well.
   * @param page default: the page of this script
   */
  releaseOnLeave(orderId: string, page?: Page): () => void;
  /** The server's instant, in ms since 1970. */
  serverNow(): number;
  /** ms until an instant by the server's clock, at least 0. */
  msUntil(instant: string): number;
}

const part = encodeURIComponent;

export function createClient({
  baseUrl,
  token,
  transport = fetchTransport,
  eventSource = (globalThis as { EventSource?: LiveSourceClass }).EventSource ?? null,
  deadlineMs = DEADLINE_MS,
  timeoutMs = TIMEOUT_MS,
}: ClientOptions): Client {
  if (transport === fetchTransport && typeof fetch === 'undefined') {
    throw new TypeError('This platform has no fetch. Give createClient a transport.');
  }
  const root = baseUrl.replace(/\/+$/, '');
  const clock = createServerClock();
  /** What a page that is being left can still send: there is no time to ask for a token. */
  let lastToken = typeof token === 'string' ? token : undefined;

  const authorization = (): Record<string, string> =>
    lastToken === undefined ? {} : { authorization: `Bearer ${lastToken}` };

  const connection: Connection = {
    transport,
    clock,
    deadlineMs,
    timeoutMs,
    async prepare({ path, headers, ...rest }, tryMs, refused) {
      if (typeof token === 'function') lastToken = await token(refused?.replace('Bearer ', ''));
      const request = {
        ...rest,
        url: root + path,
        headers: { ...headers, ...authorization() },
        timeoutMs: tryMs,
      };
      if (refused !== undefined && refused === request.headers['authorization']) {
        throw new Error('there is no other token');
      }
      return request;
    },
  };

  const look = (saleId: string, { signal }: WatchOptions, etag: string | undefined): Promise<Followed> => {
    const headers: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag };
    const options = signal ? { signal } : {};
    return follow({ method: 'GET', path: `/v1/sales/${part(saleId)}`, headers }, connection, options);
  };

  // The contract says which failures a call has; the casts stand for it.
  const call = <T>(method: Call['method'], path: string, options: CallOptions = {}): Promise<T> =>
    follow({ method, path, headers: {} }, connection, options) as Promise<unknown> as Promise<T>;
  async function* pages<P extends { nextCursor?: string }, K extends 'listOrders' | 'listSales'>(
    path: string,
    query: object,
    options: CallOptions,
  ): AsyncGenerator<Result<P, K>, void> {
    let cursor: string | undefined;
    do {
      const terms = Object.entries({ ...query, cursor })
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name}=${part(String(value))}`);
      const page = await call<Result<P, K>>('GET', `${path}?${terms.join('&')}`, options);
      yield page;
      cursor = page.ok ? page.value.nextCursor : undefined;
    } while (cursor !== undefined);
  }
  const orderPath = (orderId: string, verb = ''): string => `/v1/orders/${part(orderId)}${verb}`;

  return {
    getSale: (saleId, options) => call('GET', `/v1/sales/${part(saleId)}`, options),

    watchSale(saleId, options = {}) {
      const live = `${root}/v1/sales/${part(saleId)}/events?counts=true`;
      return watch({ eventSource, live, look: (etag) => look(saleId, options, etag) }, options);
    },

    async reserve(saleId, request, { key = makeKey(), ...options } = {}) {
      const path = `/v1/sales/${part(saleId)}`;
      const headers = { 'content-type': 'application/json', 'idempotency-key': key };
      const body = JSON.stringify(request);
      const done = await follow(
        { method: 'POST', path: `${path}/reservations`, headers, body },
        connection,
        options,
      );
      if (!done.ok) return { ...done, key } as ReserveResult;
      const { value, answer } = done;
      return {
        ok: true,
        value,
        key,
        replayed: answer.header('idempotent-replayed') === 'true',
        orderStatus: answer.header('order-status') ?? 'pending',
      } as ReserveResult;
    },

    getOrder: (orderId, options) => call('GET', orderPath(orderId), options),

    listSales: (query = {}, options = {}) => pages('/v1/sales', query, options),
    listOrders: (query = {}, options = {}) => pages('/v1/orders', query, options),
    cancel: (orderId, options) => call('POST', orderPath(orderId, '/cancel'), options),
    pay: (orderId, options) => call('POST', orderPath(orderId, '/pay'), options),

    releaseOnLeave: (orderId, page) =>
      onLeave(() => {
        const url = root + orderPath(orderId, '/cancel');
        const request = {
          method: 'POST',
          url,
          headers: authorization(),
          timeoutMs: LEAVE_TIMEOUT_MS,
        } as const;
        transport({ ...request, keepalive: true }).catch(() => undefined);
      }, page),

    serverNow: () => clock.now(),
    msUntil: (instant) => Math.max(0, Date.parse(instant) - clock.now()),
  };
}
