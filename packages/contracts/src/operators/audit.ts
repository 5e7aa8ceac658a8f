import { Type, type Static } from 'typebox';
import { SaleId, Sku } from '../values/ids.ts';
import { Instant } from '../values/instant.ts';

/** What each invariant says stands in docs/invariants.md. */
export const INVARIANT_NAMES = ['INV-1', 'INV-2', 'INV-3', 'INV-4', 'INV-5', 'INV-6'] as const;
export type InvariantName = (typeof INVARIANT_NAMES)[number];

/** `in_flight`: something is on its way between the engines, and to compare them now would prove nothing. */
export const AuditVerdict = Type.Union([
  Type.Literal('holds'),
  Type.Literal('in_flight'),
  Type.Literal('broken'),
]);
export type AuditVerdict = Static<typeof AuditVerdict>;

/**
 * Answer of `GET /v1/sales/:saleId/audit`: what Redis, Kafka and Postgres hold of a sale, side by side. All
 * counts are units.
 */
export const Audit = Type.Object({
  saleId: SaleId,
  /** The time of the reading, by Postgres' clock. */
  asOf: Instant,
  /** The newest epoch that order gave; 0: never loaded. */
  epoch: Type.Integer(),
  /** The counts are summed over the lanes. The list is empty while Redis has none of them. */
  redis: Type.Array(
    Type.Object({
      sku: Sku,
      total: Type.Integer(),
      available: Type.Integer(),
      held: Type.Integer(),
      paid: Type.Integer(),
    }),
  ),
  postgres: Type.Array(
    Type.Object({
      sku: Sku,
      total: Type.Integer(),
      pending: Type.Integer(),
      paid: Type.Integer(),
    }),
  ),
  inFlight: Type.Object({
    /** Reservations that wait for Kafka. */
    outbox: Type.Integer(),
    /**
     * Reservations not stored and settlements not applied. Both may be of any sale, because Kafka knows no
     * sales.
     */
    kafkaLag: Type.Integer(),
    /** Settlements that wait for Kafka. */
    orderOutbox: Type.Integer(),
    /** Letters of any sale that nobody replayed. */
    deadLetters: Type.Integer(),
  }),
  /** The worst of `invariants`. */
  verdict: AuditVerdict,
  invariants: Type.Object({
    'INV-1': AuditVerdict,
    'INV-2': AuditVerdict,
    'INV-3': AuditVerdict,
    'INV-4': AuditVerdict,
    'INV-5': AuditVerdict,
    'INV-6': AuditVerdict,
  }),
  /** What is broken, each under its invariant; then why something cannot be judged yet. */
  findings: Type.Array(Type.String()),
});
export type Audit = Static<typeof Audit>;
