import { createHash, randomBytes } from 'node:crypto';
import {
  canonicalJson,
  formatInstant,
  isValidMetadata,
  LIMITS,
  parseInstant,
  type ControlState,
  type ControlVerb,
  type Metadata,
  type SaleDefinition,
  type SaleInput,
  type StoredKit,
} from '@seckill/contracts';
import { invariant } from '@seckill/runtime';
import { refuse } from '../invalid-request.ts';

/** Every sale has one lane today. The number is fixed when the sale is created (D13). */
export const LANES = 1;

/**
 * Checks what a schema cannot say of a sale. Whether `closesAt` lies ahead is judged by Postgres' clock, in
 * sales.ts.
 * @throws Problem `invalid_request`
 */
export function checkSale(input: SaleInput): void {
  const closesAt = parseInstant(input.closesAt) ?? refuse('instant_unreal', 'closesAt');
  // Stock counts milliseconds from 1970. Stock refuses an earlier instant, and the control sync would repeat
  // the sale for ever.
  if (closesAt < 0) refuse('instant_too_early', 'closesAt');
  if (input.opensAt !== undefined) {
    const opensAt = parseInstant(input.opensAt) ?? refuse('instant_unreal', 'opensAt');
    if (opensAt < 0) refuse('instant_too_early', 'opensAt');
    if (closesAt <= opensAt) refuse('closes_before_opening', 'closesAt');
  }
  checkMetadata(input.metadata, 'metadata');
  checkImage(input.image, 'image');
  const skus = new Set<string>();
  const currency = input.items[0]?.price.currency;
  for (const [index, item] of input.items.entries()) {
    checkUnits(input, index);
    if (skus.has(item.sku)) refuse('repeated', `items.${index}.sku`);
    if (item.price.currency !== currency) refuse('currency_mixed', `items.${index}.price.currency`);
    checkMetadata(item.metadata, `items.${index}.metadata`);
    checkImage(item.image, `items.${index}.image`);
    const { minQuantity, step = 1 } = item;
    if (minQuantity !== undefined && minQuantity % step > 0) {
      refuse('not_multiple', `items.${index}.minQuantity`, { max: step });
    }
    // Nobody could buy it.
    const least = minQuantity ?? step;
    if (item.limitPerBuyer !== undefined && item.limitPerBuyer < least) {
      refuse('schema_minimum', `items.${index}.limitPerBuyer`, { limit: least });
    }
    const units =
      least * (item.components ?? [{ quantity: 1 }]).reduce((sum, { quantity }) => sum + quantity, 0);
    if (input.limitPerBuyer !== undefined && input.limitPerBuyer < units) {
      refuse('schema_minimum', 'limitPerBuyer', { limit: units });
    }
    skus.add(item.sku);
  }
  const channels = new Set<string>();
  for (const [index, channel] of (input.channels ?? []).entries()) {
    if (channels.has(channel.id)) refuse('repeated', `channels.${index}.id`);
    checkMetadata(channel.metadata, `channels.${index}.metadata`);
    channels.add(channel.id);
  }
}

/** An item has units, or parts that have some. @throws Problem `invalid_request` */
function checkUnits({ items }: SaleInput, index: number): void {
  const { total, components, limitPerBuyer, minQuantity, step = 1 } = items[index] ?? {};
  if (components === undefined) {
    if (total === undefined) refuse('schema_required', `items.${index}.total`);
    return;
  }
  if (total !== undefined) refuse('kit_with_total', `items.${index}.total`);
  if (limitPerBuyer !== undefined) refuse('kit_with_total', `items.${index}.limitPerBuyer`);
  for (const [place, { sku, quantity }] of components.entries()) {
    const field = `items.${index}.components.${place}.sku`;
    if (components.findIndex((one) => one.sku === sku) !== place) refuse('repeated', field);
    const part = items.find((one) => one.sku === sku) ?? refuse('not_of_sale', field);
    if (part.components !== undefined) refuse('kit_of_kits', field);
    // Nobody could buy it.
    const most = (part.limitPerBuyer ?? Infinity) / (minQuantity ?? step);
    if (quantity > most) {
      refuse('schema_maximum', `items.${index}.components.${place}.quantity`, { limit: Math.floor(most) });
    }
  }
}

/** @throws Problem `invalid_request` */
export function checkMetadata(metadata: Metadata | undefined, field: string): void {
  if (metadata === undefined || isValidMetadata(metadata)) return;
  refuse('metadata_invalid', field, { max: LIMITS.metadataBytesMax, depth: LIMITS.metadataDepthMax });
}

/** A pattern lets through what no browser takes: a port of 99999. @throws Problem `invalid_request` */
export function checkImage(image: string | undefined, field: string): void {
  if (image !== undefined && !URL.canParse(image)) refuse('schema_pattern', field);
}

/**
 * Hashes the request as it was sent, before "now" and other defaults are filled in. A repeat without
 * `opensAt` is thus still the same request. The order of properties does not matter, the order of items and
 * channels does.
 */
export function fingerprintOf(input: SaleInput): string {
  return createHash('sha256').update(canonicalJson(input)).digest('base64url');
}

/** 48 bits are enough, because the id of a sale is public and only has to be free. */
export function makeSaleId(): string {
  return `sale-${randomBytes(6).toString('hex')}`;
}

/** @param now milliseconds since the epoch, by Postgres' clock. A sale that names no opening opens then. */
export function defineSale(id: string, input: SaleInput, now: number): SaleDefinition {
  const closesAt = parseInstant(input.closesAt);
  const opensAt = input.opensAt === undefined ? now : parseInstant(input.opensAt);
  invariant(closesAt !== undefined && opensAt !== undefined, 'a sale is checked before it is defined');
  return {
    id,
    title: input.title,
    ...(input.description === undefined ? {} : { description: input.description }),
    ...(input.image === undefined ? {} : { image: input.image }),
    ...(input.metadata === undefined ? {} : { metadata: input.metadata }),
    opensAt: formatInstant(opensAt),
    closesAt: formatInstant(closesAt),
    holdSeconds: input.holdSeconds ?? LIMITS.holdSecondsDefault,
    ...(input.limitPerBuyer === undefined ? {} : { limitPerBuyer: input.limitPerBuyer }),
    ...(input.holdsPerBuyerMax === undefined ? {} : { holdsPerBuyerMax: input.holdsPerBuyerMax }),
    ...(input.rejoinSeconds === undefined ? {} : { rejoinSeconds: input.rejoinSeconds }),
    ...(input.lateMoney === undefined ? {} : { lateMoney: input.lateMoney }),
    ...(input.groupMinimum === undefined ? {} : { groupMinimum: input.groupMinimum }),
    ...splitItems(input.items),
    channels: input.channels ?? [],
  };
}

/** Kits apart from the items that have units. */
function splitItems(all: SaleInput['items']): Pick<SaleDefinition, 'items' | 'kits'> {
  const items: SaleDefinition['items'] = [];
  const kits: StoredKit[] = [];
  for (const { total, components, limitPerBuyer, ...item } of all) {
    if (components !== undefined) kits.push({ ...item, components });
    else if (total !== undefined) {
      items.push({ ...item, total, ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }) });
    }
  }
  return { items, ...(kits.length === 0 ? {} : { kits }) };
}

/** A kit has no units that could be added or taken out. */
export function isKit({ kits = [] }: SaleDefinition, sku: string): boolean {
  return kits.some((kit) => kit.sku === sku);
}

/** The kits of a control state. */
function kitsOf({ kits }: SaleDefinition): Pick<ControlState, 'kits'> {
  if (kits === undefined) return {};
  return {
    kits: kits.map(({ sku, price, components, paused, minQuantity, step }) => ({
      sku,
      price: price.amount,
      parts: components,
      ...(paused === true ? { paused } : {}),
      ...(minQuantity === undefined ? {} : { minQuantity }),
      ...(step === undefined ? {} : { step }),
    })),
  };
}

function adjustmentOf(
  adjustments: { id: string; sku: string; quantity: number }[],
  sku: string,
): Pick<ControlState['items'][number], 'adjustment'> {
  const found = adjustments.find((one) => one.sku === sku);
  return found === undefined ? {} : { adjustment: { id: found.id, quantity: found.quantity } };
}

/** The whole control state, absolute, as stock takes it under its version. */
export function controlStateOf(sale: {
  definition: SaleDefinition;
  adjustments: { id: string; sku: string; quantity: number }[];
  version: number;
  distrustedEpoch: number;
  state: ControlVerb;
  lanes: number;
}): ControlState {
  const { definition } = sale;
  const opensAt = parseInstant(definition.opensAt);
  const closesAt = parseInstant(definition.closesAt);
  const currency = definition.items[0]?.price.currency;
  invariant(
    opensAt !== undefined && closesAt !== undefined && currency !== undefined,
    `sale ${definition.id} is stored without window or currency`,
  );
  return {
    saleId: definition.id,
    version: sale.version,
    distrustedEpoch: sale.distrustedEpoch,
    state: sale.state,
    lanes: sale.lanes,
    opensAt,
    closesAt,
    holdMs: definition.holdSeconds * 1_000,
    ...(definition.limitPerBuyer === undefined ? {} : { limitPerBuyer: definition.limitPerBuyer }),
    ...(definition.holdsPerBuyerMax === undefined ? {} : { holdsPerBuyerMax: definition.holdsPerBuyerMax }),
    ...(definition.rejoinSeconds === undefined ? {} : { rejoinMs: definition.rejoinSeconds * 1_000 }),
    currency,
    items: definition.items.map(({ sku, price, total, paused, minQuantity, step, limitPerBuyer }) => ({
      sku,
      price: price.amount,
      total,
      ...(paused === true ? { paused } : {}),
      ...(minQuantity === undefined ? {} : { minQuantity }),
      ...(step === undefined ? {} : { step }),
      ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
      ...adjustmentOf(sale.adjustments, sku),
    })),
    ...kitsOf(definition),
    channels: definition.channels.map(({ id, cap }) => ({ id, ...(cap === undefined ? {} : { cap }) })),
  };
}
