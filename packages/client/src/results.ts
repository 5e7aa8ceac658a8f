/** What a call ends with: a value, or a failure that `code` tells apart. */
import type { components, operations } from './openapi.ts';

type Schemas = components['schemas'];
export type Sale = Schemas['Sale'];
export type SalePage = Schemas['SalePage'];
export type Order = Schemas['Order'];
export type OrderPage = Schemas['OrderPage'];
export type Reservation = Schemas['Reservation'];
export type ReserveRequest = Schemas['ReserveRequest'];
export type Money = Schemas['Money'];
export type Problem = Schemas['Problem'];

type Operation = keyof operations;

/** The codes that the contract names for a call. */
export type CodeOf<K extends Operation> = {
  [S in keyof operations[K]['responses']]: operations[K]['responses'][S] extends {
    content: { 'application/problem+json': { code: infer C extends string } };
  }
    ? C
    : never;
}[keyof operations[K]['responses']];

/**
 * Codes that no server sends. `aborted`: the caller's signal ended the call. `unexpected_answer`: what came
 * is no answer of the API, as from a proxy; `status` tells more.
 */
export type ClientCode = 'outcome_unknown' | 'aborted' | 'unexpected_answer';

/** A line of a reservation that fails. `available` is absent for a SKU that the sale does not have. */
export interface FailedLine {
  sku: string;
  code: 'sku_not_found' | 'quantity_not_allowed' | 'item_paused' | 'sold_out' | 'limit_reached';
  available?: number;
}

/** What an answer says beside its code. */
interface Extras {
  invalid_request: { field?: string };
  sale_not_open: { opensAt: string };
  sku_not_found: { sku: string; lines: FailedLine[] };
  quantity_not_allowed: { sku: string; minimum: number; step: number; lines: FailedLine[] };
  item_paused: { sku: string; lines: FailedLine[] };
  sold_out: { sku: string; available: number; final: boolean; lines: FailedLine[] };
  holds_exceeded: { holdsPerBuyerMax: number };
  limit_reached: { sku?: string; limit: number; held: number; lines?: FailedLine[] };
  channel_full: { cap: number };
  order_not_pending: { orderStatus: Order['status'] };
}

/** The fields of the problem document are absent where no answer came. */
export interface FailureBase extends Partial<
  Pick<Problem, 'type' | 'title' | 'status' | 'detail' | 'instance'>
> {
  ok: false;
  /** Whether the same request may succeed later, under the same key. */
  retryable: boolean;
  /** An earlier try may have done it. To repeat with the same key tells, and does it at most once. */
  inDoubt: boolean;
  /** Why no answer came, as the transport told it. */
  cause?: unknown;
}

export type Failure<K extends Operation> = {
  [C in CodeOf<K> | ClientCode]: FailureBase & { code: C } & (C extends keyof Extras ? Extras[C] : unknown);
}[CodeOf<K> | ClientCode];

export interface Success<T> {
  ok: true;
  value: T;
}

export type Result<T, K extends Operation> = Success<T> | Failure<K>;

/** `key` is the idempotency key of the reservation. A repeat under it never takes a second time. */
export type ReserveResult = (
  | (Success<Reservation> & {
      /** The units were taken by an earlier try, whose answer was lost. */
      replayed: boolean;
      /** What the order is now. A replayed one may have ended; to reserve again takes a new key. */
      orderStatus: Order['status'];
    })
  | Failure<'reserve'>
) & { key: string };

/** A failure of any call. The contract says which codes which call has. */
export type AnyFailure = FailureBase & { code: Problem['code'] | ClientCode; opensAt?: string };
