import type { Gate, StockState } from '@seckill/contracts';
import { invariant } from '@seckill/runtime';
import type { ScriptAnswer } from './scripts.ts';

/** What count.lua reads of a lane at one instant. */
export interface LaneCount extends Omit<StockState, 'saleId'> {
  /** Every chunk of its snapshot is in. */
  isLoaded: boolean;
  /** It was open once, so reservations may have been made since its snapshot. */
  wasOpened: boolean;
  /** Number of the gate's last closing. */
  closing: number;
  /** Sequence at which it was opened last: what was acknowledged before under this epoch and is above it is lost. */
  openedSequence: number;
}

const FACTS = 13;
const ITEM_FACTS = 5;

/** @throws InvariantError on an answer that the script's header does not name. */
export function parseCount(answer: ScriptAnswer): LaneCount {
  const gate = answer[0] as Gate;
  const now = Number(answer[1]);
  if (gate === 'missing') return { ...UNLOADED, gate, now };
  const [
    ,
    ,
    epoch,
    version,
    sequence,
    loaded,
    opened,
    state,
    opensAt,
    closesAt,
    outbox,
    closing,
    openedSequence,
  ] = answer;
  const rest = answer.slice(FACTS);
  invariant(rest.length % ITEM_FACTS === 0, 'count.lua answers whole items');
  const items: StockState['items'] = [];
  for (let index = 0; index < rest.length; index += ITEM_FACTS) {
    const [sku, total, available, held, paid] = rest.slice(index, index + ITEM_FACTS);
    items.push({
      sku: String(sku),
      total: Number(total),
      available: Number(available),
      held: Number(held),
      paid: Number(paid),
    });
  }
  return {
    gate,
    now,
    epoch: Number(epoch),
    version: Number(version),
    sequence: Number(sequence),
    isLoaded: loaded === 1,
    wasOpened: opened === 1,
    state: state === '' ? UNLOADED.state : (state as StockState['state']),
    opensAt: Number(opensAt),
    closesAt: Number(closesAt),
    outbox: Number(outbox),
    closing: Number(closing),
    openedSequence: Number(openedSequence),
    items: items.sort((left, right) => (left.sku < right.sku ? -1 : 1)),
  };
}

const UNLOADED = {
  epoch: 0,
  version: 0,
  sequence: 0,
  isLoaded: false,
  wasOpened: false,
  // Of the three, the one that promises nothing and ends nothing; readers look at the gate first.
  state: 'paused',
  opensAt: 0,
  closesAt: 0,
  outbox: 0,
  closing: 0,
  openedSequence: 0,
  items: [],
} as const satisfies Partial<LaneCount>;
