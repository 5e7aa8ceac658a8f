import {
  detailOf,
  formatInstant,
  LIMITS,
  parseInstant,
  type SaleChannelInput,
  type SaleDefinition,
  type SalePatch,
} from '@seckill/contracts';
import { invariant, Problem } from '@seckill/runtime';
import { isDeepStrictEqual } from 'node:util';
import { refuse } from '../invalid-request.ts';
import { checkImage, checkMetadata } from './sale-definition.ts';
import type { SaleLimits } from './sale-store.ts';

/** A definition as a change makes it, with what the audit trail tells of the change. */
export interface Edited {
  definition: SaleDefinition;
  /** The values that differ. Nothing differs when there are none. */
  before: Record<string, unknown>;
  after: Record<string, unknown>;
}

/** @throws Problem `not_changeable` with the field */
function keep(field: string): never {
  throw new Problem('not_changeable', { extra: { field } });
}

/**
 * Applies a patch to a sale that is neither closed nor over.
 * @param now Postgres' clock, under the lock of the sale; milliseconds since the epoch.
 * @throws Problem `invalid_request`; `not_changeable` for the opening of a sale that has opened, and for what
 * orders go by: kind, partner, pick-up point and group of a channel.
 */
export function patchDefinition(definition: SaleDefinition, patch: SalePatch, now: number): Edited {
  const { title, description, image, metadata, holdSeconds, limitPerBuyer } = patch;
  checkMetadata(metadata, 'metadata');
  checkImage(image, 'image');
  const opensAt = patchInstant('opensAt', patch.opensAt) ?? definition.opensAt;
  const closesAt = patchInstant('closesAt', patch.closesAt) ?? definition.closesAt;
  if (opensAt !== definition.opensAt && Date.parse(definition.opensAt) <= now) keep('opensAt');
  if (closesAt !== definition.closesAt && Date.parse(closesAt) <= now) refuse('instant_passed', 'closesAt');
  if (Date.parse(closesAt) <= Date.parse(opensAt)) refuse('closes_before_opening', 'closesAt');
  const edited: SaleDefinition = {
    ...definition,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(image === undefined ? {} : { image }),
    ...(metadata === undefined ? {} : { metadata }),
    opensAt,
    closesAt,
    ...(holdSeconds === undefined ? {} : { holdSeconds }),
    ...(typeof limitPerBuyer === 'number' ? { limitPerBuyer } : {}),
    channels: patchChannels(definition.channels, patch.channels ?? []),
  };
  if (limitPerBuyer === null) delete edited.limitPerBuyer;
  return { definition: edited, ...differences(definition, edited) };
}

/** Pauses or resumes one item, or one kit. @throws Problem `sku_not_found` */
export function pauseItem(definition: SaleDefinition, sku: string, isPaused: boolean): Edited {
  const { items, kits = [] } = definition;
  const found = [...items, ...kits].find((item) => item.sku === sku);
  if (found === undefined) throw new Problem('sku_not_found', { extra: { sku } });
  const wasPaused = found.paused === true;
  if (wasPaused === isPaused) return { definition, before: {}, after: {} };
  const pause = <Item extends { sku: string; paused?: true }>(item: Item): Item => {
    if (item.sku !== sku) return item;
    const { paused: _paused, ...rest } = item;
    return (isPaused ? { ...rest, paused: true } : rest) as Item;
  };
  const changed = definition.kits === undefined ? {} : { kits: kits.map(pause) };
  return {
    definition: { ...definition, items: items.map(pause), ...changed },
    before: { sku, paused: wasPaused },
    after: { sku, paused: isPaused },
  };
}

function patchInstant(field: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const instant = parseInstant(text) ?? refuse('instant_unreal', field);
  // Stock counts milliseconds from 1970, as it does for a new sale.
  if (instant < 0) refuse('instant_too_early', field);
  return formatInstant(instant);
}

/** Channels are added or replaced. None is ever taken away: orders name it. */
function patchChannels(known: SaleChannelInput[], named: SaleChannelInput[]): SaleChannelInput[] {
  const channels = new Map(known.map((channel) => [channel.id, channel]));
  const seen = new Set<string>();
  for (const [index, channel] of named.entries()) {
    if (seen.has(channel.id)) refuse('repeated', `channels.${index}.id`);
    checkMetadata(channel.metadata, `channels.${index}.metadata`);
    seen.add(channel.id);
    const before = channels.get(channel.id);
    for (const name of ['kind', 'partnerId', 'pickupPointId', 'groupMinimum'] as const) {
      if (before !== undefined && before[name] !== channel[name]) keep(`channels.${index}.${name}`);
    }
    channels.set(channel.id, channel);
  }
  if (channels.size > LIMITS.channelsMax) {
    throw new Problem('invalid_request', {
      detail: detailOf('schema_maxItems', { field: 'channels', limit: LIMITS.channelsMax }),
      extra: { field: 'channels' },
    });
  }
  return [...channels.values()];
}

const PATCHED = [
  'title',
  'description',
  'image',
  'metadata',
  'opensAt',
  'closesAt',
  'holdSeconds',
  'limitPerBuyer',
] as const;

/** Only the channels that differ are told. */
function differences(old: SaleDefinition, edited: SaleDefinition): Omit<Edited, 'definition'> {
  const before: Record<string, unknown> = {};
  const after: Record<string, unknown> = {};
  for (const name of PATCHED) {
    if (isDeepStrictEqual(old[name], edited[name])) continue;
    if (old[name] !== undefined) before[name] = old[name];
    if (edited[name] !== undefined) after[name] = edited[name];
  }
  const known = new Map(old.channels.map((channel) => [channel.id, channel]));
  const changed = edited.channels.filter((channel) => !isDeepStrictEqual(channel, known.get(channel.id)));
  if (changed.length > 0) {
    before['channels'] = changed.flatMap(({ id }) => known.get(id) ?? []);
    after['channels'] = changed;
  }
  return { before, after };
}

/**
 * The limits that buyers may have reached by now: of each limit the loosest that ever stood. Undefined when
 * these are the limits of the definition itself.
 */
export function loosestOf(before: SaleLimits, edited: SaleDefinition): SaleLimits | undefined {
  const loosest = (one: number | undefined, other: number | undefined) =>
    one === undefined || other === undefined ? undefined : Math.max(one, other);
  const limitPerBuyer = loosest(before.limitPerBuyer, edited.limitPerBuyer);
  const caps = new Map(before.channels.map((channel) => [channel.id, channel]));
  const channels = edited.channels.map(({ id, cap }) => {
    const known = caps.get(id);
    // Nobody has come from a new channel.
    return withCap(id, known === undefined ? cap : loosest(known.cap, cap));
  });
  const limits = { ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }), channels };
  invariant(channels.length >= before.channels.length, 'a channel is never taken away');
  const isOwn =
    limitPerBuyer === edited.limitPerBuyer &&
    isDeepStrictEqual(
      channels,
      edited.channels.map(({ id, cap }) => withCap(id, cap)),
    );
  return isOwn ? undefined : limits;
}

function withCap(id: string, cap: number | undefined): SaleLimits['channels'][number] {
  return { id, ...(cap === undefined ? {} : { cap }) };
}
