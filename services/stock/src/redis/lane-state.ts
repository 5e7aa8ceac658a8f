import type { Announcement, GateState, StockState } from '@seckill/contracts';
import type { Connection } from './connection.ts';
import { scriptKeys, type Lane } from './keys.ts';
import { LaneContentError } from '../lane-content-error.ts';
import type { ScriptAnswer } from './scripts.ts';

/** What inspect.lua reads of a lane at one instant. */
export interface LaneState extends Omit<StockState, 'saleId'> {
  /** Every chunk of the snapshot is in. */
  isLoaded: boolean;
  /** Number of the lane's last closing; a permission to open names it (D28). */
  fence: number;
  /**
   * The sequence at which the lane was opened last. A higher sequence that was acknowledged before that
   * opening, under this epoch, is lost.
   */
  openedSequence: number;
  /**
   * The node of a cluster, with its configuration epoch, on which the lane was opened last; '': none since
   * its load. No node has the name that a forced closing leaves (open.lua, close.lua).
   */
  server: string;
  /**
   * A part of the lane is missing or old: a move of its slot left it so (D101). The lane must be loaded anew.
   */
  isTorn: boolean;
  /** Holds of a lane that lost its state; 0 of every other one. */
  leftHolds: number;
  /** What `sold_out` says of a repeat depends on these two; absent: there is none. */
  limitPerBuyer?: number;
  capMin?: number;
  /** Absent: none. */
  kits?: Kits;
}

type Kits = NonNullable<Announcement['kits']>;

const FACTS = 20;
const ITEM_FACTS = 5;

/** @throws ioredis' error; LaneContentError as `parseLaneState`. */
export async function readLaneState(
  redis: Connection['redis'],
  runId: string,
  lane: Lane,
): Promise<LaneState> {
  return parseLaneState(await redis.inspect(scriptKeys('inspect', lane), runId));
}

/** @throws LaneContentError on what our scripts do not write. */
function parseLaneState(answer: ScriptAnswer): LaneState {
  const gate = answer[0] as GateState;
  const now = Number(answer[1]);
  if (gate === 'missing') {
    return { ...MISSING, gate, now, outbox: whole(answer[2]), leftHolds: whole(answer[3]) };
  }
  const [, , epoch, version, sequence, loaded, state, opensAt, closesAt, outbox, fence, openedSequence] =
    answer;
  const [limit, capMin, pausedSkus, rulesText, limits, kits, server, torn] = answer.slice(FACTS - 8);
  const paused = new Set(String(pausedSkus).split(' '));
  const rules = parseRules(String(rulesText));
  return {
    gate,
    now,
    epoch: whole(epoch),
    version: whole(version),
    sequence: whole(sequence),
    isLoaded: loaded === 1,
    state: state === '' ? MISSING.state : stateOf(state),
    opensAt: whole(opensAt),
    closesAt: whole(closesAt),
    outbox: whole(outbox),
    fence: whole(fence),
    openedSequence: whole(openedSequence),
    server: String(server),
    isTorn: torn === 1,
    leftHolds: 0,
    ...(limit === '' ? {} : { limitPerBuyer: Number(limit) }),
    ...(capMin === '' ? {} : { capMin: Number(capMin) }),
    items: parseItems(answer.slice(FACTS), {
      paused,
      rules,
      limits: parseLimits(String(limits)),
    }),
    ...(kits === '' ? {} : { kits: parseKits(String(kits), { paused, rules }) }),
  };
}

type Rule = Required<Pick<StockState['items'][number], 'minQuantity' | 'step'>>;

/** `<sku>:<minimum>:<step>` of each item that has a rule. */
function parseRules(text: string): Map<string, Rule> {
  return new Map(
    text.split(' ').flatMap((rule) => {
      const [sku = '', minQuantity, step] = rule.split(':');
      return step === undefined ? [] : [[sku, { minQuantity: whole(minQuantity), step: whole(step) }]];
    }),
  );
}

/** `<sku>:<units>` of each item that has a limit per buyer of its own. */
function parseLimits(text: string): Map<string, number> {
  return new Map(
    text.split(' ').flatMap((limit) => {
      const [sku = '', units] = limit.split(':');
      return units === undefined ? [] : [[sku, whole(units)]];
    }),
  );
}

/** `<sku>:<price>:<part>*<units>,…` of each kit. */
function parseKits(
  text: string,
  { paused, rules }: { paused: ReadonlySet<string>; rules: ReadonlyMap<string, Rule> },
): Kits {
  return text.split(' ').map((kit) => {
    const [sku = '', , parts = ''] = kit.split(':');
    return {
      sku,
      parts: parts.split(',').map((part) => {
        const [name = '', quantity] = part.split('*');
        return { sku: name, quantity: whole(quantity) };
      }),
      ...(paused.has(sku) ? { paused: true as const } : {}),
      ...rules.get(sku),
    };
  });
}

/** Reads the items in the order of their SKU, so that two readings of the same lane are equal. */
function parseItems(
  facts: ScriptAnswer,
  {
    paused,
    rules,
    limits,
  }: { paused: ReadonlySet<string>; rules: ReadonlyMap<string, Rule>; limits: ReadonlyMap<string, number> },
): StockState['items'] {
  if (facts.length % ITEM_FACTS !== 0) throw new LaneContentError('an item lacks a count');
  const items: StockState['items'] = [];
  for (let index = 0; index < facts.length; index += ITEM_FACTS) {
    const [sku, total, available, held, paid] = facts.slice(index, index + ITEM_FACTS);
    const limitPerBuyer = limits.get(String(sku));
    items.push({
      sku: String(sku),
      total: whole(total),
      available: whole(available),
      held: whole(held),
      paid: whole(paid),
      ...(paused.has(String(sku)) ? { paused: true as const } : {}),
      ...rules.get(String(sku)),
      ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }),
    });
  }
  return items.sort((left, right) => (left.sku < right.sku ? -1 : 1));
}

/** Redis cuts an answer short where a number is none, so it may be absent. */
function whole(value: string | number | undefined): number {
  const number = Number(value);
  if (value === '' || !Number.isSafeInteger(number) || number < 0) {
    throw new LaneContentError('the state of the lane has no whole number where it has one');
  }
  return number;
}

function stateOf(text: string | number | undefined): StockState['state'] {
  if (text === 'open' || text === 'paused' || text === 'closed') return text;
  throw new LaneContentError('the state of the lane has no state of a sale');
}

const MISSING = {
  epoch: 0,
  version: 0,
  sequence: 0,
  isLoaded: false,
  // This is the one of the three states that promises nothing and ends nothing. Readers look at the gate
  // first.
  state: 'paused',
  opensAt: 0,
  closesAt: 0,
  outbox: 0,
  fence: 0,
  openedSequence: 0,
  server: '',
  isTorn: false,
  leftHolds: 0,
  items: [],
} as const satisfies Partial<LaneState>;

/** What other services may know of a lane: without what only an opening or an announcement needs. */
export function toStockState({ saleId }: Lane, state: LaneState): StockState {
  const { isLoaded: _isLoaded, fence: _fence, openedSequence: _opened, leftHolds: _left, ...rest } = state;
  const {
    server: _server,
    isTorn: _torn,
    limitPerBuyer: _limit,
    capMin: _capMin,
    kits: _kits,
    ...told
  } = rest;
  return { saleId, ...told };
}
