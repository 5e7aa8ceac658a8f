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
  lines: { sku: string; quantity: number; price: number }[];
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
  window: 'before' | 'within' | 'after';
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

const PRICES: Record<string, number> = { a: 5, b: 7 };
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
    const unknown = request.lines.find(([sku]) => !(sku in control.totals));
    if (unknown !== undefined) return ['sku_not_found', unknown[0], ...this.failed(request)];
    if (request.channel !== '' && !(request.channel in control.caps)) return ['channel_not_found'];
    const odd = request.lines.find(([sku, quantity]) => this.isOdd(sku, quantity));
    if (odd !== undefined) {
      const [minimum, step] =
        odd[0] === 'a' ? [control.minQuantity, 1] : [control.multiple, control.multiple];
      return ['quantity_not_allowed', odd[0], minimum, step, ...this.failed(request)];
    }
    const paused = request.lines.find(([sku]) => control.paused.includes(sku));
    if (paused !== undefined) return ['item_paused', paused[0], ...this.failed(request)];
    const [sku] = this.failed(request);
    const flag = (is: boolean) => (is ? 1 : 0);
    if (sku !== undefined) {
      const flags = [flag(this.isFinal(request)), flag(this.mayComeBack(request))];
      return ['sold_out', sku, this.available(String(sku)), ...flags, ...this.failed(request)];
    }
    return this.judgeLimits(request, flag) ?? (request.isLate ? ['late'] : this.take(request));
  }

  isOdd(sku: string, quantity: number): boolean {
    const { multiple, minQuantity } = this.control;
    return sku === 'a' ? quantity < minQuantity : sku === 'b' && quantity % multiple > 0;
  }

  /** SKU, code and available units of each line that fails. */
  failed({ lines }: ModelRequest): (string | number)[] {
    return lines.flatMap(([sku, quantity]) => {
      if (!(sku in this.control.totals)) return [sku, 'sku_not_found', ''];
      if (this.isOdd(sku, quantity)) return [sku, 'quantity_not_allowed', this.available(sku)];
      if (this.control.paused.includes(sku)) return [sku, 'item_paused', this.available(sku)];
      return this.available(sku) < quantity ? [sku, 'sold_out', this.available(sku)] : [];
    });
  }

  /** Tells whether all units that the request lacks are paid. */
  isFinal({ lines }: ModelRequest): boolean {
    return lines.every(([sku]) => {
      const total = this.control.totals[sku] ?? 0;
      return total > 0 && this.units(() => true, sku, 'paid') === total;
    });
  }

  /** Tells whether ends of holds, or the first units of an item, may make this request succeed. */
  mayComeBack({ lines, channel }: ModelRequest): boolean {
    const { totals, caps, limit = Infinity } = this.control;
    const quantity = lines.reduce((sum, [, one]) => sum + one, 0);
    if (quantity > limit || quantity > (caps[channel] ?? Infinity)) return false;
    if (lines.some(([sku, units]) => units > this.limitOf(sku))) return false;
    return lines.every(([sku, units]) => {
      const total = totals[sku] ?? 0;
      return total === 0 || units <= total - this.units(() => true, sku, 'paid');
    });
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
    const quantity = request.lines.reduce((sum, [, one]) => sum + one, 0);
    const isOwn = ({ user }: ModelOrder) => user === request.user;
    const isOfChannel = ({ channel }: ModelOrder) => channel === request.channel;
    const cap = (request.channel === '' ? undefined : caps[request.channel]) ?? Infinity;
    const holds = this.holdsOf(request.user);
    const fitsCap = this.units(isOfChannel, undefined, 'paid') + quantity <= cap;
    const fitsLimit = this.units(isOwn, undefined, 'paid') + quantity <= limit;
    const fitsItems = request.lines.every(
      ([sku, units]) => this.takenOf(request.user, sku, 'paid') + units <= this.limitOf(sku),
    );
    const mayFit = flag(fitsLimit && fitsItems && fitsCap && holds < holdsMax);
    if (this.units(isOwn) + quantity > limit) return ['limit_reached', limit, this.units(isOwn), mayFit];
    const over = request.lines.find(
      ([sku, units]) => this.takenOf(request.user, sku) + units > this.limitOf(sku),
    );
    if (over !== undefined) {
      const [sku] = over;
      return ['limit_reached', this.limitOf(sku), this.takenOf(request.user, sku), mayFit, sku];
    }
    if (holds >= holdsMax) return ['holds_exceeded', holdsMax];
    if (hasRejoin && this.orders.some((order) => isOwn(order) && order.isRecent)) return ['rejoin_later'];
    if (this.units(isOfChannel) + quantity > cap) return ['channel_full', cap, flag(fitsCap)];
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
    const lines = request.lines.map(([sku, quantity]) => ({ sku, quantity, price: priceOf(sku) }));
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
    if (isForced && before === 'open') {
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
      paused: control.paused.join(' '),
      rules: [
        ...(control.minQuantity > 1 ? [`a:${control.minQuantity}:1`] : []),
        ...(control.multiple > 1 ? [`b:${control.multiple}:${control.multiple}`] : []),
      ].join(' '),
      itemLimits: control.limitOfA === undefined ? '' : `a:${control.limitOfA}`,
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
    orders.map(({ user, key, random, entry, holdMs, channel, ref, lines, status, isRetake }) => [
      keyHashOf(user, key),
      { user, key, random, entry, holdMs, channel, ref, lines, status, lives: livesOf(status, isRetake) },
    ]),
  );
}
