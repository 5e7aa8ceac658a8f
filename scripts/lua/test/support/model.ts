import { keyHashOf } from '../../../../services/stock/src/redis/reservation-id.ts';

/**
 * What the scripts must do, in plain TypeScript: no Redis, no atomicity, the rules of docs/http-api.md one
 * after another. Written against the design, not against the Lua, so that both can be compared.
 */
export interface ModelOrder {
  user: string;
  key: string;
  random: string;
  entry: string;
  holdMs: number;
  channel: string;
  ref: string;
  /** The units that were taken: those of a kit are its parts'. */
  lines: { sku: string; quantity: number; price: number }[];
  /** What was bought, where a kit is among it. */
  bought: { sku: string; quantity: number; price: number }[] | undefined;
  status: 'pending' | 'paid' | 'cancelled' | 'expired' | 'refused';
  /** The hold came with a snapshot, whose times are long ago. */
  isLoaded: boolean;
  /** The hold ended unpaid, and not long ago. */
  isRecent: boolean;
  /** The hold ended unpaid at some time since the last load. */
  hasEnded: boolean;
  /** The hold was taken again, under `entry`. */
  isRetake: boolean;
  /** The entry that the order keeps, even if its units were taken again. */
  firstEntry: string;
  /** The number of the order's last return; 0 when there was none. */
  returnNumber: number;
  /** What came back so far of each SKU: the units, and how many of them are for sale again. */
  returned: Record<string, [returned: number, restocked: number]>;
}

export interface ModelControl {
  version: number;
  state: 'open' | 'paused' | 'closed';
  /** `ending`: within, but a cool-down that begins now ends after the sale. */
  window: 'before' | 'within' | 'ending' | 'after';
  holdMs: number;
  limit: number | undefined;
  holdsMax: number | undefined;
  /** The cool-down is longer than a test, and shorter than the time since the instants of a snapshot. */
  hasRejoin: boolean;
  /** What is to be taken out of items, by SKU. */
  adjustments: { [sku: string]: { id: string; quantity: number } | undefined };
  /** A request must take a multiple of `multiple` units of `b`, and at least `minQuantity` units of `a`. */
  multiple: number;
  minQuantity: number;
  /** Units of `a` that one buyer may have; an item that has a limit of its own keeps one. */
  limitOfA: number | undefined;
  /** The sale has `KITS`; what they are never changes. */
  hasKits: boolean;
  /** SKUs, in the order of `totals`. */
  paused: string[];
  totals: Record<string, number>;
  caps: Record<string, number | undefined>;
}

export interface ModelRequest {
  user: string;
  key: string;
  random: string;
  channel: string;
  ref: string;
  lines: [sku: string, quantity: number][];
  isOtherProcess: boolean;
  outboxCountMax: number;
  /** True: the caller has stopped waiting. */
  isLate: boolean;
}

const PRICES: Record<string, number> = { a: 5, b: 7, k: 11, m: 13 };
/** Two kits that share a part. */
const KITS: Record<string, Record<string, number>> = { k: { a: 1, b: 2 }, m: { b: 3 } };
export const priceOf = (sku: string): number => PRICES[sku] ?? 0;

export class Model {
  gate: 'open' | 'rebuilding' = 'open';
  /** The first fence, because the lane was closed once before its first load. */
  fence = 1;
  epoch = 1;
  sequence = 0;
  control: ModelControl;
  orders: ModelOrder[] = [];
  outbox: string[] = [];
  /** What was taken out of items, by SKU, until a control state no longer names it. */
  adjusted: Record<string, { id: string; taken: number }> = {};

  constructor(control: ModelControl) {
    this.control = control;
  }

  /**
   * Units of an item that came back and are for sale again do not count. Units that were written off are gone
   * for good. Without an item these are the units of buyers and channels, where neither counts.
   */
  units(matches: (order: ModelOrder) => boolean, sku?: string, status?: ModelOrder['status']): number {
    return this.orders
      .filter(
        (order) => (status === undefined ? this.isLive(order) : order.status === status) && matches(order),
      )
      .flatMap(({ lines, returned }) =>
        lines.map((line) => {
          const [units, restocked] = returned[line.sku] ?? [0, 0];
          return { sku: line.sku, quantity: line.quantity - (sku === undefined ? units : restocked) };
        }),
      )
      .filter((line) => sku === undefined || line.sku === sku)
      .reduce((sum, { quantity }) => sum + quantity, 0);
  }

  available(sku: string): number {
    return (
      (this.control.totals[sku] ?? 0) - this.units(() => true, sku) - this.units(() => true, sku, 'refused')
    );
  }

  /** Units of a refused order never existed: they stay where they were, until the next rebuild. */
  held(sku: string): number {
    return this.units(() => true, sku, 'pending') + this.units(() => true, sku, 'refused');
  }

  isLive({ status }: ModelOrder): boolean {
    return status === 'pending' || status === 'paid';
  }

  get kits(): typeof KITS {
    return this.control.hasKits ? KITS : {};
  }

  partsOf(sku: string): [sku: string, units: number][] {
    return Object.entries(this.kits[sku] ?? { [sku]: 1 });
  }

  isKnown(sku: string): boolean {
    return sku in this.control.totals || sku in this.kits;
  }

  isPaused(sku: string): boolean {
    const { paused } = this.control;
    return paused.includes(sku) || this.partsOf(sku).some(([part]) => paused.includes(part));
  }

  /** Units by SKU that a request asks for, in the order of its lines. */
  unitsAsked({ lines }: Pick<ModelRequest, 'lines'>): Map<string, number> {
    const units = new Map<string, number>();
    for (const [sku, quantity] of lines) {
      for (const [part, one] of this.partsOf(sku)) units.set(part, (units.get(part) ?? 0) + one * quantity);
    }
    return units;
  }

  quantityOf(request: Pick<ModelRequest, 'lines'>): number {
    return [...this.unitsAsked(request).values()].reduce((sum, units) => sum + units, 0);
  }

  /** How many of each line there are when the lines before it that could be met have taken theirs. */
  met({ lines }: ModelRequest, unitsOf: (sku: string) => number): number[] {
    const taken = new Map<string, number>();
    return lines.map(([sku, quantity]) => {
      const parts = this.partsOf(sku);
      const most = Math.min(
        ...parts.map(([part, one]) => Math.floor((unitsOf(part) - (taken.get(part) ?? 0)) / one)),
      );
      if (most >= quantity)
        for (const [part, one] of parts) taken.set(part, (taken.get(part) ?? 0) + one * quantity);
      return most;
    });
  }

  notPaid(sku: string): number {
    return (this.control.totals[sku] ?? 0) - this.units(() => true, sku, 'paid');
  }

  /** The outcome, and what stands beside the outcome in reserve.lua's answer, except records and times. */
  reserve(request: ModelRequest): unknown[] {
    const { control } = this;
    if (this.outbox.length >= request.outboxCountMax) return ['overloaded'];
    if (this.gate !== 'open' || request.isOtherProcess) return ['sale_unavailable', 0];
    const known = this.orders.find(({ user, key }) => user === request.user && key === request.key);
    if (known !== undefined) return ['known', known.random, known.status];
    if (control.state === 'closed' || control.window === 'after') return ['sale_closed'];
    if (control.state === 'paused') return ['sale_paused'];
    if (control.window === 'before') return ['sale_not_open'];
    const unknown = request.lines.find(([sku]) => !this.isKnown(sku));
    if (unknown !== undefined) return ['sku_not_found', unknown[0], ...this.failed(request)];
    if (request.channel !== '' && !(request.channel in control.caps)) return ['channel_not_found'];
    const odd = request.lines.find(([sku, quantity]) => this.isOdd(sku, quantity));
    if (odd !== undefined) {
      const [minimum, step] =
        odd[0] === 'a' ? [control.minQuantity, 1] : [control.multiple, control.multiple];
      return ['quantity_not_allowed', odd[0], minimum, step, ...this.failed(request)];
    }
    const paused = request.lines.find(([sku]) => this.isPaused(sku));
    const flag = (is: boolean) => (is ? 1 : 0);
    const isRetryable = this.mayComeBack(request) && this.mayFit(request);
    if (paused !== undefined) return ['item_paused', paused[0], flag(isRetryable), ...this.failed(request)];
    const [sku, , available] = this.failed(request);
    if (sku !== undefined) {
      const flags = [flag(this.isFinal(request)), flag(isRetryable)];
      return ['sold_out', sku, available, ...flags, ...this.failed(request)];
    }
    return this.judgeLimits(request, flag) ?? (request.isLate ? ['late'] : this.take(request));
  }

  isOdd(sku: string, quantity: number): boolean {
    const { multiple, minQuantity } = this.control;
    return sku === 'a' ? quantity < minQuantity : sku === 'b' && quantity % multiple > 0;
  }

  /** SKU, code and available units of each line that fails. */
  failed(request: ModelRequest): (string | number)[] {
    const known = request.lines.filter(([sku]) => this.isKnown(sku));
    const met = this.met({ ...request, lines: known }, (sku) => this.available(sku));
    return request.lines.flatMap(([sku, quantity]) => {
      const available = met[known.findIndex(([one]) => one === sku)] ?? 0;
      if (!this.isKnown(sku)) return [sku, 'sku_not_found', ''];
      if (this.isOdd(sku, quantity)) return [sku, 'quantity_not_allowed', available];
      if (this.isPaused(sku)) return [sku, 'item_paused', available];
      return available < quantity ? [sku, 'sold_out', available] : [];
    });
  }

  /** Tells whether all units that the request lacks are paid. */
  isFinal({ lines }: ModelRequest): boolean {
    return lines.every(([sku]) => {
      const parts = this.partsOf(sku);
      const isOffered = parts.every(([part, one]) => (this.control.totals[part] ?? 0) >= one);
      return isOffered && parts.some(([part, one]) => this.notPaid(part) < one);
    });
  }

  /** Tells whether ends of holds, or the first units of an item, may bring the units of this request. */
  mayComeBack(request: ModelRequest): boolean {
    return [...this.unitsAsked(request)].every(
      ([sku, units]) => this.control.totals[sku] === 0 || units <= this.notPaid(sku),
    );
  }

  /** Tells whether this buyer may come to have the units while the sale lasts, if they are there. */
  mayFit(request: ModelRequest): boolean {
    const { limit = Infinity, holdsMax = Infinity, hasRejoin, caps, window } = this.control;
    const quantity = this.quantityOf(request);
    const asked = [...this.unitsAsked(request)];
    const isOwn = ({ user }: ModelOrder) => user === request.user;
    const cap = (request.channel === '' ? undefined : caps[request.channel]) ?? Infinity;
    const paidOfChannel = this.units(({ channel }) => channel === request.channel, undefined, 'paid');
    const isOver = (status: ModelOrder['status']) =>
      this.units(isOwn, undefined, status) + quantity > limit ||
      asked.some(([sku, units]) => this.takenOf(request.user, sku, status) + units > this.limitOf(sku));
    const mustRest = hasRejoin && this.orders.some((order) => isOwn(order) && order.isRecent);
    const isTooLate = mustRest && window === 'ending';
    return (
      !isOver('paid') &&
      paidOfChannel + quantity <= cap &&
      this.holdsOf(request.user) < holdsMax &&
      !isTooLate
    );
  }

  limitOf(sku: string): number {
    return (sku === 'a' ? this.control.limitOfA : undefined) ?? Infinity;
  }

  /** What came back of an item does not count against its limit, whatever became of it. */
  takenOf(user: string, sku: string, status?: ModelOrder['status']): number {
    return this.orders
      .filter((order) => order.user === user && (status === undefined || order.status === status))
      .filter((order) => this.isLive(order))
      .flatMap(({ lines, returned }) =>
        lines.map((line) => (line.sku === sku ? line.quantity - (returned[sku]?.[0] ?? 0) : 0)),
      )
      .reduce((sum, units) => sum + units, 0);
  }

  judgeLimits(request: ModelRequest, flag: (is: boolean) => number): unknown[] | undefined {
    const { limit = Infinity, holdsMax = Infinity, hasRejoin, caps } = this.control;
    const quantity = this.quantityOf(request);
    const isOwn = ({ user }: ModelOrder) => user === request.user;
    const isOfChannel = ({ channel }: ModelOrder) => channel === request.channel;
    const cap = (request.channel === '' ? undefined : caps[request.channel]) ?? Infinity;
    const mayFit = flag(this.mayFit(request));
    const over = [...this.unitsAsked(request)]
      .filter(([sku, units]) => this.takenOf(request.user, sku) + units > this.limitOf(sku))
      .map(([sku]) => sku);
    const lines = over.flatMap((sku) => [sku, 'limit_reached', this.available(sku)]);
    if (this.units(isOwn) + quantity > limit)
      return ['limit_reached', limit, this.units(isOwn), mayFit, '', ...lines];
    const [sku] = over;
    if (sku !== undefined) {
      const had = this.takenOf(request.user, sku);
      return ['limit_reached', this.limitOf(sku), had, mayFit, sku, ...lines];
    }
    if (this.holdsOf(request.user) >= holdsMax) return ['holds_exceeded', holdsMax];
    if (hasRejoin && this.orders.some((order) => isOwn(order) && order.isRecent))
      return ['rejoin_later', mayFit];
    if (this.units(isOfChannel) + quantity > cap) return ['channel_full', cap, mayFit];
    return undefined;
  }

  /** A refused order never was a hold, but one that was taken again had been one before. */
  holdsOf(user: string): number {
    return this.orders.filter(
      (order) => order.user === user && (order.status !== 'refused' || order.isRetake),
    ).length;
  }

  take(request: ModelRequest): unknown[] {
    this.sequence += 1;
    const { user, key, random, channel, ref } = request;
    const entry = `${this.epoch}-${this.sequence}`;
    const isKit = request.lines.some(([sku]) => sku in this.kits);
    const toLine = ([sku, quantity]: [string, number]) => ({ sku, quantity, price: priceOf(sku) });
    const lines = [...this.unitsAsked(request)].map(toLine);
    const bought = isKit ? request.lines.map(toLine) : undefined;
    const { holdMs } = this.control;
    this.orders.push({
      user,
      key,
      random,
      channel,
      ref,
      entry,
      holdMs,
      lines,
      bought,
      status: 'pending',
      isLoaded: false,
      isRecent: false,
      hasEnded: false,
      isRetake: false,
      firstEntry: entry,
      returnNumber: 0,
      returned: {},
    });
    this.outbox.push(entry);
    return ['reserved', random, 'pending'];
  }

  apply(control: ModelControl): unknown[] {
    const taken = Object.entries(control.totals).flatMap(([sku]) => {
      const known = this.adjusted[sku];
      return known !== undefined && known.id === control.adjustments[sku]?.id ? [[sku, known] as const] : [];
    });
    if (control.version <= this.control.version) {
      const told = taken.flatMap(([, known]) => [known.id, known.taken]);
      return ['current', this.gate, this.epoch, this.control.version, ...told];
    }
    const totals = { ...control.totals };
    for (const [sku, known] of taken) totals[sku] = (totals[sku] ?? 0) - known.taken;
    for (const [sku, total] of Object.entries(totals)) {
      const taken = (this.control.totals[sku] ?? 0) - this.available(sku);
      if (total < taken) return ['total_too_low', sku, taken];
    }
    // Channels are never taken away.
    this.control = { ...control, totals, caps: { ...this.control.caps, ...control.caps } };
    this.adjusted = Object.fromEntries(taken);
    for (const [sku, adjustment] of Object.entries(control.adjustments)) {
      if (adjustment === undefined || sku in this.adjusted) continue;
      const units = Math.min(adjustment.quantity, this.available(sku));
      totals[sku] = (totals[sku] ?? 0) - units;
      this.adjusted[sku] = { id: adjustment.id, taken: units };
    }
    const told = Object.keys(totals).flatMap((sku) => {
      const known = this.adjusted[sku];
      return known === undefined ? [] : [known.id, known.taken];
    });
    return ['applied', this.gate, this.epoch, control.version, ...told];
  }

  /** Ends a hold once, whatever the gate, the state and the window are. */
  settle(
    random: string,
    verdict: 'paid' | 'cancelled' | 'expired' | 'refused',
    retake: string | undefined,
  ): unknown[] {
    const order = this.orders.find((one) => one.random === random);
    if (order?.status !== 'pending') return ['absent'];
    // A settlement ends the hold that it names, and no other of the same order.
    if ((order.isRetake ? order.entry : undefined) !== retake) return ['absent'];
    order.status = verdict;
    const isUnpaid = verdict === 'cancelled' || verdict === 'expired';
    // A hold that expires ended when its time was over, however late that is noted.
    if (isUnpaid) order.isRecent ||= verdict === 'cancelled' || !order.isLoaded;
    order.hasEnded ||= isUnpaid;
    // Redis sold what does not exist. So nobody buys until the lane is rebuilt, unless a rebuild came in
    // between.
    if (verdict === 'refused' && order.entry.startsWith(`${this.epoch}-`) && this.gate === 'open')
      this.close(true);
    return ['settled'];
  }

  /**
   * Takes back all that ever came back of a paid order, under a number. An earlier number changes nothing.
   */
  giveBack(random: string, number: number, returned: ModelOrder['returned']): unknown[] {
    const order = this.orders.find((one) => one.random === random);
    if (order?.status !== 'paid') return ['absent'];
    if (number <= order.returnNumber) return ['current'];
    const restockedOf = (some: ModelOrder['returned']) =>
      Object.values(some).reduce((sum, [, restocked]) => sum + restocked, 0);
    const restocked = restockedOf(returned) - restockedOf(order.returned);
    order.returnNumber = number;
    order.returned = returned;
    return ['returned', restocked];
  }

  /**
   * Late money: an expired hold lives again if units, limit and cap allow it, whatever the sale's state is.
   */
  retake(random: string, outboxCountMax: number): unknown[] {
    if (this.gate !== 'open') return ['sale_unavailable'];
    const order = this.orders.find((one) => one.random === random);
    if (order?.status === 'pending') return [order.isRetake ? 'repeated' : 'unsettled'];
    if (order?.status === 'paid') return ['paid'];
    if (order?.status !== 'expired') return ['not_expired'];
    const { limit = Infinity, caps } = this.control;
    const quantity = order.lines.reduce((sum, line) => sum + line.quantity, 0);
    if (order.lines.some((line) => this.available(line.sku) < line.quantity)) return ['sold_out'];
    if (this.units(({ user }) => user === order.user) + quantity > limit) return ['limit_reached'];
    if (
      order.lines.some((line) => this.takenOf(order.user, line.sku) + line.quantity > this.limitOf(line.sku))
    )
      return ['limit_reached'];
    const cap = (order.channel === '' ? undefined : caps[order.channel]) ?? Infinity;
    if (this.units(({ channel }) => channel === order.channel) + quantity > cap) return ['channel_full'];
    if (this.outbox.length >= outboxCountMax) return ['overloaded'];
    this.sequence += 1;
    order.status = 'pending';
    order.isRetake = true;
    order.entry = `${this.epoch}-${this.sequence}`;
    this.outbox.push(order.entry);
    return ['retaken', order.entry];
  }

  close(isForced: boolean): unknown[] {
    const before = this.gate;
    if (isForced) {
      this.gate = 'rebuilding';
      this.fence += 1;
    }
    return [before, this.gate, this.epoch, this.fence];
  }

  open(): unknown[] {
    if (this.gate === 'rebuilding' && this.outbox.length > 0) return ['changed'];
    this.gate = 'open';
    return ['opened'];
  }

  /** Does what order would do: ends some orders, raises the epoch, and hands everything back. */
  rebuild(end: (index: number) => ModelOrder['status']): boolean {
    if (this.outbox.length > 0) return false;
    this.orders = this.orders
      .filter(({ status, isRetake }) => status !== 'refused' || isRetake)
      .map((order, index) => ({
        ...order,
        status: this.#endOf(order, end(index)),
        entry: order.firstEntry,
        isRetake: false,
        isLoaded: true,
        isRecent: false,
      }))
      .map((order) => ({ ...order, hasEnded: order.status === 'cancelled' || order.status === 'expired' }));
    this.epoch += 1;
    this.sequence = 0;
    this.adjusted = {};
    return true;
  }

  /** Tells what order knows. An order whose units were taken again is paid, or it has expired as before. */
  #endOf({ status, isRetake }: ModelOrder, end: ModelOrder['status']): ModelOrder['status'] {
    if (status === 'refused') return 'expired';
    if (status !== 'pending') return status;
    return isRetake && end !== 'paid' ? 'expired' : end;
  }

  /** Everything that Redis must hold, in the shape of `readState` of model.test.ts. */
  view() {
    const { control, orders } = this;
    const users = [...new Set(orders.map(({ user }) => user))].filter((user) => this.holdsOf(user) > 0);
    return {
      gate: this.gate,
      epoch: this.epoch,
      fence: this.fence,
      sequence: this.sequence,
      version: control.version,
      state: control.state,
      limit: control.limit,
      holdsMax: control.holdsMax,
      paused: control.paused.filter((sku) => this.isKnown(sku)).join(' '),
      rules: [
        ...(control.minQuantity > 1 ? [`a:${control.minQuantity}:1`] : []),
        ...(control.multiple > 1 ? [`b:${control.multiple}:${control.multiple}`] : []),
      ].join(' '),
      itemLimits: control.limitOfA === undefined ? '' : `a:${control.limitOfA}`,
      kits: control.hasKits ? 'k:11:a*1,b*2 m:13:b*3' : '',
      adjusted: this.adjusted,
      items: Object.fromEntries(
        Object.entries(control.totals).map(([sku, total]) => [
          sku,
          {
            total,
            available: this.available(sku),
            held: this.held(sku),
            paid: this.units(() => true, sku, 'paid'),
            price: priceOf(sku),
          },
        ]),
      ),
      buyers: Object.fromEntries(
        users.map((name) => [
          name,
          {
            units: this.units(({ user }) => user === name),
            paid: this.units(({ user }) => user === name, undefined, 'paid'),
            holds: this.holdsOf(name),
            hasEnded: orders.some(({ user, hasEnded }) => user === name && hasEnded),
            items:
              control.limitOfA !== undefined && this.takenOf(name, 'a') > 0
                ? `a ${this.takenOf(name, 'a')} ${this.takenOf(name, 'a', 'paid')}`
                : '',
          },
        ]),
      ),
      channels: Object.fromEntries(
        Object.entries(control.caps).map(([id, cap]) => [
          id,
          {
            cap,
            units: this.units(({ channel }) => channel === id),
            units_paid: this.units(({ channel }) => channel === id, undefined, 'paid'),
          },
        ]),
      ),
      keys: viewRecords(orders.filter(({ status }) => status !== 'pending')),
      holds: viewRecords(orders.filter(({ status }) => status === 'pending')),
      returns: Object.fromEntries(
        orders
          .filter(({ returnNumber }) => returnNumber > 0)
          .map(({ user, key, returnNumber, returned }) => [
            keyHashOf(user, key),
            [returnNumber, ...Object.entries(returned).flat(2)].join(' '),
          ]),
      ),
      outbox: this.outbox,
    };
  }
}

function livesOf(status: ModelOrder['status'], isRetake: boolean): number {
  if (status !== 'pending') return 0;
  return isRetake ? 2 : 1;
}

function viewRecords(orders: ModelOrder[]) {
  return Object.fromEntries(
    orders.map(({ status, isRetake, ...order }) => {
      const { user, key, random, entry, holdMs, channel, ref, lines, bought } = order;
      const facts = { user, key, random, entry, holdMs, channel, ref, lines, bought };
      return [keyHashOf(user, key), { ...facts, status, lives: livesOf(status, isRetake) }];
    }),
  );
}
