import { call } from '../page/api.ts';
import { unitsOf, type Order, type Page } from '../page/answers.ts';
import { element, hint, table } from '../page/dom.ts';
import { say, spanOf } from '../page/words.ts';

/** Orders that wait for money, with their ages. @param now the server's time. */
export async function readHolds(path: string, now: number): Promise<HTMLElement> {
  const { data } = await call<Page<Order>>('GET', `${path}/orders?status=pending&sort=oldest&limit=100`);
  const secondsFrom = (instant: string): number => (now - Date.parse(instant)) / 1_000;
  const rows = data.map((order) => [
    element('a', { href: `#/order/${encodeURIComponent(order.id)}` }, order.id),
    order.userId ?? '',
    String(unitsOf(order)),
    spanOf(secondsFrom(order.reservedAt)),
    spanOf(-secondsFrom(order.expiresAt)),
  ]);
  const heads = [say('order'), say('user'), say('units'), say('age'), say('endsIn')];
  return element(
    'div',
    {},
    hint(say('oldestHolds')),
    rows.length === 0 ? say('none') : table(say('pendingHolds'), heads, rows),
  );
}
