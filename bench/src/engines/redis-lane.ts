export interface RedisItem {
  sku: string;
  total: number;
  available: number;
  held: number;
  paid: number;
}

export interface RedisLane {
  epoch: number;
  sequence: number;
  outbox: number;
  items: RedisItem[];
  /** Units by user and by channel. */
  buyers: Map<string, number>;
  /** Units of items that have a limit of their own, by user and SKU; of buyers who have some. */
  itemsOfBuyers: Map<string, Map<string, number>>;
  channels: Map<string, { cap: number | undefined; units: number }>;
  /** The endings of the reservation ids on hold. */
  holds: Set<string>;
  /** The number of keys whose reservation is known, live or ended. */
  keys: number;
}

export function toSuffix([keyHash, record]: [string, string]): string {
  const [, , random = ''] = record.split('\n', 3);
  return random + keyHash;
}

/** `<units> <paid> <holds> <endedAt>`, then SKU, units and units paid of each item that is counted. */
export function parseItemsOfBuyer([user, text]: [string, string]): [string, Map<string, number>][] {
  const words = text.split(' ').slice(4);
  if (words.length === 0) return [];
  const items = new Map<string, number>();
  for (let index = 0; index < words.length; index += 3) {
    items.set(words[index] ?? '', Number(words[index + 1]));
  }
  return [[user, items]];
}

export function parseItems(fields: Record<string, string>): RedisItem[] {
  const skus = Object.keys(fields)
    .filter((field) => field.endsWith(':total'))
    .map((field) => field.slice(0, -':total'.length));
  return skus.map((sku) => {
    const count = (name: string) => Number(fields[`${sku}:${name}`]);
    return {
      sku,
      total: count('total'),
      available: count('available'),
      held: count('held'),
      paid: count('paid'),
    };
  });
}

export function parseChannels(fields: Record<string, string>): RedisLane['channels'] {
  const channels: RedisLane['channels'] = new Map();
  for (const [field, value] of Object.entries(fields)) {
    if (!field.endsWith(':units')) continue;
    const id = field.slice(0, -':units'.length);
    const cap = fields[`${id}:cap`];
    channels.set(id, {
      units: Number(value),
      cap: cap === undefined || cap === '' ? undefined : Number(cap),
    });
  }
  return channels;
}
