import * as contracts from '@seckill/contracts';
import type { TSchema } from 'typebox';

/** The schemas that have a name of their own in the contract. */
const NAMED: Record<string, TSchema> = {
  AdjustAnswer: contracts.AdjustAnswer,
  AdjustRequest: contracts.AdjustRequest,
  Audit: contracts.Audit,
  Contact: contracts.Contact,
  KeptNotice: contracts.KeptNotice,
  KeptNoticePage: contracts.KeptNoticePage,
  Line: contracts.Line,
  LineInput: contracts.LineInput,
  LocalTitle: contracts.Title,
  LocalDescription: contracts.Description,
  Metadata: contracts.Metadata,
  Money: contracts.Money,
  Order: contracts.Order,
  MoveRequest: contracts.MoveRequest,
  OrderPage: contracts.OrderPage,
  ParkedMessage: contracts.ParkedMessage,
  DeadLetterDone: contracts.DeadLetterDone,
  ParkedMessagePage: contracts.ParkedMessagePage,
  PaymentAnswer: contracts.PaymentAnswer,
  PaymentNotification: contracts.PaymentNotification,
  Pickup: contracts.Pickup,
  PickupPage: contracts.PickupPage,
  PickupRequest: contracts.PickupRequest,
  Price: contracts.Price,
  Refund: contracts.Refund,
  RefundDone: contracts.RefundDone,
  RefundPage: contracts.RefundPage,
  Reservation: contracts.Reservation,
  ReserveRequest: contracts.ReserveRequest,
  ReasonRequest: contracts.ReasonRequest,
  ReturnRequest: contracts.ReturnRequest,
  RestockRequest: contracts.RestockRequest,
  ReportSold: contracts.ReportSold,
  ReportRef: contracts.ReportRef,
  Sale: contracts.Sale,
  SaleChange: contracts.SaleChange,
  SaleChangePage: contracts.SaleChangePage,
  SaleCause: contracts.SaleCause,
  SaleChannels: contracts.SaleChannels,
  SaleCounts: contracts.SaleCounts,
  SaleChannel: contracts.SaleChannelInput,
  SaleExplanation: contracts.SaleExplanation,
  SaleInput: contracts.SaleInput,
  SaleItem: contracts.SaleItem,
  SaleItemInput: contracts.SaleItemInput,
  SaleOutcomes: contracts.SaleOutcomes,
  SalePage: contracts.SalePage,
  SalePatch: contracts.SalePatch,
  SaleReport: contracts.SaleReport,
  ReportItem: contracts.ReportItem,
  ReportChannel: contracts.ReportChannel,
  ReportPartner: contracts.ReportPartner,
  ReportMinute: contracts.ReportMinute,
  ReportRefunds: contracts.ReportRefunds,
};

type Json = Record<string, unknown>;

// TypeBox copies a schema where it is optional, so a schema is known again by its text.
const names = new Map(Object.entries(NAMED).map(([name, schema]) => [JSON.stringify(schema), name]));

/** A schema as the contract shows it: named ones by reference, a union of words as `enum`. */
export function toReference(schema: TSchema): Json {
  const name = names.get(JSON.stringify(schema));
  return name === undefined ? (transform(toJson(schema)) as Json) : { $ref: `#/components/schemas/${name}` };
}

export function namedSchemas(): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(NAMED).map(([name, schema]) => [name, transform(toJson(schema), true) as Json]),
  );
}

/** TypeBox marks optional members with properties that JSON does not show. */
const toJson = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema));

function transform(value: unknown, isTop = false): unknown {
  if (Array.isArray(value)) return value.map((member) => transform(member));
  if (typeof value !== 'object' || value === null) return value;
  const name = isTop ? undefined : names.get(JSON.stringify(value));
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  if ('anyOf' in value && Array.isArray(value.anyOf)) {
    const words = value.anyOf.map((member: unknown) => wordOf(member));
    if (words.every((word) => word !== undefined)) return { type: 'string', enum: words };
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, transform(member)]));
}

function wordOf(schema: unknown): string | undefined {
  if (typeof schema !== 'object' || schema === null || !('const' in schema)) return undefined;
  return typeof schema.const === 'string' ? schema.const : undefined;
}
