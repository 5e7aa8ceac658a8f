/** `@seckill/client`: the public API for storefronts. */
export { createClient } from './client.ts';
export type { Client, ClientOptions, OrderQuery, SaleQuery } from './client.ts';
export type { CallOptions } from './follow.ts';
export type { Page } from './leave.ts';
export type { LiveSource, LiveSourceClass } from './live.ts';
export type {
  AnyFailure,
  ClientCode,
  CodeOf,
  FailedLine,
  Failure,
  FailureBase,
  Money,
  Order,
  OrderPage,
  Problem,
  Reservation,
  ReserveRequest,
  ReserveResult,
  Result,
  Sale,
  SalePage,
  Success,
} from './results.ts';
export { fetchTransport, wxTransport } from './transport.ts';
export type {
  CancelSignal,
  Transport,
  TransportAnswer,
  TransportRequest,
  WxRequestOptions,
} from './transport.ts';
export type { WatchOptions } from './watch.ts';
