import type {
  Sale,
  SaleChannelInput,
  SaleDefinition,
  SaleRecord,
  SaleState,
  SoldOut,
  StockState,
} from '@seckill/contracts';

type ItemCounts = StockState['items'][number];

/** What of a sale is the same for every reader, whenever it is read. */
export type SaleView = Omit<Sale, 'channels' | 'serverTime'>;

/** Order's definition and stock's counts as one sale. */
export function viewSale({ definition, version }: SaleRecord, stock: StockState): SaleView {
  const counts = new Map(stock.items.map((item) => [item.sku, item]));
  const state = saleState(stock);
  return {
    id: definition.id,
    title: definition.title,
    ...shownOf(definition),
    opensAt: definition.opensAt,
    closesAt: definition.closesAt,
    holdSeconds: definition.holdSeconds,
    ...(definition.limitPerBuyer === undefined ? {} : { limitPerBuyer: definition.limitPerBuyer }),
    ...(definition.holdsPerBuyerMax === undefined ? {} : { holdsPerBuyerMax: definition.holdsPerBuyerMax }),
    ...(definition.rejoinSeconds === undefined ? {} : { rejoinSeconds: definition.rejoinSeconds }),
    ...(definition.groupMinimum === undefined ? {} : { groupMinimum: definition.groupMinimum }),
    items: [...viewItems(definition, counts, state), ...viewKits(definition, counts, state)],
    state,
    version,
  };
}

function viewItems(
  { items }: SaleDefinition,
  counts: ReadonlyMap<string, ItemCounts>,
  state: SaleState,
): SaleView['items'] {
  return items.map((item) => {
    const { paused } = item;
    const count = countOf(item, counts);
    const { total, available, held, paid } = count;
    const view = { ...describe(item), total, available, held, paid, soldOut: soldOutOf(count, state) };
    return paused === true ? { ...view, paused } : view;
  });
}

/**
 * A kit is paused with any of its parts. The kit's counts are what these parts allow: `held` may be made up
 * once holds have ended, and `paid` cannot be made up any more.
 */
function viewKits(
  { items, kits = [] }: SaleDefinition,
  counts: ReadonlyMap<string, ItemCounts>,
  state: SaleState,
): SaleView['items'] {
  const known = new Map(items.map((item) => [item.sku, item]));
  return kits.map((kit) => {
    const { components } = kit;
    const parts = components.flatMap(({ sku, quantity }) => {
      const item = known.get(sku);
      if (item === undefined) return [];
      const { total, available, held } = countOf(item, counts);
      return [{ item, quantity, total, available, back: available + held }];
    });
    const most = (name: 'total' | 'available' | 'back') =>
      Math.min(...parts.map((part) => Math.floor(part[name] / part.quantity)));
    const available = most('available');
    const [total, held] = [most('total'), most('back') - available];
    const count = { total, available, held, paid: total - available - held };
    const view = { ...describe(kit), components, ...count, soldOut: soldOutOf(count, state) };
    const isPaused = kit.paused === true || parts.some(({ item }) => item.paused === true);
    return isPaused ? { ...view, paused: true } : view;
  });
}

/** Before the first load nothing can have been sold, so all of the total is available. */
function countOf(
  { sku, total }: SaleDefinition['items'][number],
  counts: ReadonlyMap<string, ItemCounts>,
): ItemCounts {
  return counts.get(sku) ?? { sku, total, available: total, held: 0, paid: 0 };
}

/** What is told of items and kits alike. */
function describe(item: Pick<SaleView['items'][number], 'sku' | 'title' | 'price'> & Shown & Bounds) {
  const { sku, title, price } = item;
  return { sku, title, ...shownOf(item), price, ...boundsOf(item) };
}

type Shown = Pick<SaleView, 'description' | 'image' | 'metadata'>;

/** What the shop wants shown or kept, as it was sent; what is absent is left out. */
function shownOf({ description, image, metadata }: Shown) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(image === undefined ? {} : { image }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

type Bounds = Pick<SaleView['items'][number], 'minQuantity' | 'step' | 'limitPerBuyer'>;

function boundsOf({ minQuantity, step, limitPerBuyer }: Bounds) {
  return {
    ...(minQuantity === undefined ? {} : { minQuantity }),
    ...(step === undefined ? {} : { step }),
    ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
  };
}

/** A channel as everyone reads it. Partner and cap of the channel are for operators. */
export function viewChannel({ partnerId: _partnerId, cap: _cap, ...open }: SaleChannelInput) {
  return open;
}

/**
 * Shows a sale that ended long ago, of which stock keeps nothing any more. Order's last counts take the shape
 * of stock's state. The clock is our own here, because nothing depends on it any more.
 */
export function retiredState({ definition, version, retired }: SaleRecord): StockState | undefined {
  if (retired === undefined) return undefined;
  return {
    saleId: definition.id,
    gate: 'open',
    epoch: 0,
    version,
    sequence: 0,
    now: Date.now(),
    state: 'closed',
    opensAt: Date.parse(definition.opensAt),
    closesAt: Date.parse(definition.closesAt),
    outbox: 0,
    items: retired.items.map(({ sku, total, paid }) => ({
      sku,
      total,
      available: total - paid,
      held: 0,
      paid,
    })),
  };
}

/**
 * Judges the sale as reserve.lua would now. The window goes by Redis' clock. A sale that is over is closed
 * even if it was paused.
 */
export function saleState(
  stock: Pick<StockState, 'gate' | 'state' | 'now' | 'opensAt' | 'closesAt'>,
): SaleState {
  if (stock.gate !== 'open') return 'loading';
  if (stock.state === 'closed' || stock.now >= stock.closesAt) return 'closed';
  if (stock.state === 'paused') return 'paused';
  return stock.now < stock.opensAt ? 'scheduled' : 'open';
}

/**
 * The view tells two truths (D9): `held` may come back, `final` will not. An item without any unit was never
 * sold out: it waits for its first ones, as held units do.
 */
export function soldOutOf(
  count: Pick<ItemCounts, 'total' | 'available' | 'held'>,
  state: SaleState,
): SoldOut {
  if (state === 'closed') return 'final';
  if (count.available > 0) return 'no';
  return count.held > 0 || count.total === 0 ? 'held' : 'final';
}

export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag.replace(/^W\//, '')) || tags.includes('*');
}
