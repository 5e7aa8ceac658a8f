import type { Order } from '../page/answers.ts';
import { textOfCode } from '../page/codes.ts';
import { table } from '../page/dom.ts';
import { moneyOf, say, sayIfKnown, timeOf } from '../page/words.ts';

/** What happened to an order, oldest first. */
export function story(order: Order): HTMLElement {
  const { reservedAt, expiresAt, paidAt, endedAt, pickedUpAt, payments = [], returned = [] } = order;
  const events: [string | undefined, string][] = [
    [reservedAt, `${say('reserved')} · ${say('heldUntil')} ${timeOf(expiresAt)}`],
    ...payments.map(({ at, paymentId, amount, result, reason }): [string, string] => [
      at,
      [say('payment'), paymentId, moneyOf(amount), ...[result, reason].map((code = '') => textOfCode(code))]
        .filter(Boolean)
        .join(' · '),
    ]),
    [paidAt, say('paid')],
    [endedAt, sayIfKnown(order.status)],
    [pickedUpAt, say('handedOut')],
    ...returned.map(({ at, sku, quantity, restocked }): [string, string] => [
      at,
      `${say('returned')} · ${quantity} ${sku} · ${say(restocked ? 'restocked' : 'writtenOff')}`,
    ]),
  ];
  const rows = events
    .filter((event): event is [string, string] => event[0] !== undefined)
    .sort(([a], [b]) => Date.parse(a) - Date.parse(b))
    .map(([at, what]) => [timeOf(at), what]);
  return table(say('timelineText'), [say('at'), say('what')], rows);
}
