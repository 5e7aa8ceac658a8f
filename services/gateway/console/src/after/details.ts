import type { Order } from '../page/answers.ts';
import { textOfCode } from '../page/codes.ts';
import { table } from '../page/dom.ts';
import { listOf, moneyOf, say, timeOf, type Word } from '../page/words.ts';

/** The fields of an order that have a word of ours. What else the API tells is shown under its own name. */
const NAMES: Partial<Record<string, Word>> = {
  id: 'orderId',
  saleId: 'saleId',
  userId: 'userId',
  lines: 'items',
  channelId: 'channel',
  status: 'status',
  amount: 'amount',
  reservedAt: 'reserved',
  expiresAt: 'heldUntil',
  paidAt: 'paid',
  endedAt: 'ended',
  pickupCode: 'pickupCode',
  pickupChannelId: 'pickupChannel',
  pickedUpAt: 'handedOut',
  refundDue: 'refundDue',
  group: 'group',
};
/** Fields that the story tells. */
const TOLD = new Set(['payments', 'returned']);

/** What an order is now. */
export function details(order: Order): HTMLElement {
  const rows = Object.entries(order)
    .filter(([name]) => !TOLD.has(name))
    .map(([name, value]) => {
      const word = NAMES[name];
      return [word === undefined ? name : say(word), word === undefined ? plain(value) : shown(order, name)];
    });
  return table(say('stored'), [say('title'), say('told')], rows);
}

function shown(order: Order, name: string): string {
  const { [name]: value, lines, amount, refundDue } = order;
  if (name === 'lines') return listOf(lines.map(({ sku, quantity }) => `${quantity} × ${sku}`));
  if (name === 'amount') return moneyOf(amount);
  if (name === 'refundDue' && refundDue !== undefined) return moneyOf(refundDue);
  if (name.endsWith('At')) return timeOf(plain(value));
  return name === 'status' || name === 'group' ? textOfCode(plain(value)) : plain(value);
}

const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
