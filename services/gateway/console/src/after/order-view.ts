import { call } from '../page/api.ts';
import { unitsOf, type Order, type Page } from '../page/answers.ts';
import { askFirst } from '../page/ask.ts';
import {
  alertBox,
  attempt,
  button,
  element,
  field,
  hint,
  onSubmit,
  section,
  type View,
} from '../page/dom.ts';
import { paged } from '../page/paged.ts';
import { moneyOf, say, sayIfKnown, timeOf } from '../page/words.ts';
import { details } from './details.ts';
import { story } from './story.ts';

const linkTo = (id: string): HTMLElement => element('a', { href: `#/order/${encodeURIComponent(id)}` }, id);

/** Looks for an order: by its id, by its buyer, or within a sale by its pick-up code. */
export function orderSearchView(): View {
  const id = field('order', say('orderId'), { type: 'text', required: '', spellcheck: 'false' });
  const byId = element('form', {}, id.box, element('p', {}, submit(say('find'))));
  onSubmit(byId, () => {
    location.hash = `#/order/${encodeURIComponent(id.input.value.trim())}`;
  });

  const sale = field('sale-id', say('saleId'), { type: 'text', spellcheck: 'false' });
  const user = field('user-id', say('userId'), { type: 'text', spellcheck: 'false' });
  const code = field('pickup-code', say('pickupCode'), { type: 'text', inputmode: 'numeric' });
  const found = paged(
    say('orders'),
    [
      say('order'),
      say('saleId'),
      say('status'),
      say('user'),
      say('units'),
      say('amount'),
      say('pickupCode'),
      say('at'),
    ],
    (path) => call<Page<Order>>('GET', path),
    (order) => [
      linkTo(order.id),
      order.saleId,
      sayIfKnown(order.status),
      order.userId ?? '',
      String(unitsOf(order)),
      moneyOf(order.amount),
      order.pickupCode ?? '',
      timeOf(order.reservedAt),
    ],
  );
  const problem = alertBox();
  const among = element(
    'form',
    {},
    user.box,
    sale.box,
    code.box,
    problem,
    element('p', {}, submit(say('search'))),
  );
  onSubmit(among, () => {
    problem.textContent = '';
    const [saleId, userId, pickupCode] = [sale, user, code].map(({ input }) => input.value.trim());
    if (saleId) {
      const path = `/v1/sales/${encodeURIComponent(saleId)}/orders`;
      void found.load(path, { userId: userId ?? '', pickupCode: pickupCode ?? '' });
    } else if (userId && !pickupCode) void found.load('/v1/orders', { userId });
    else problem.textContent = say('saleOrUser');
  });
  return {
    content: [element('h1', {}, say('order')), hint(say('orderHint')), byId, among, found.box],
  };
}

const submit = (text: string): HTMLElement => element('button', { type: 'submit', class: 'first' }, text);

/** One order with its story, and the steps that an operator may take. */
export function orderView(orderId: string): View {
  const path = `/v1/orders/${encodeURIComponent(orderId)}`;
  const problem = alertBox();
  const place = element('div');
  const load = (): Promise<void> =>
    attempt(problem, async () => {
      const order = await call<Order>('GET', path);
      const cancel = button(say('cancelOrder'), () => {
        // Whose order it is, the API lets an operator cancel with a reason only.
        const asked = { reason: { label: say('reason'), attributes: { maxlength: '200', required: '' } } };
        askFirst(say('cancelOrder'), asked, async ({ reason }) => {
          await call('POST', `${path}/cancel`, { body: { reason } });
          await load();
        });
      });
      place.replaceChildren(
        ...(order.status === 'pending' ? [element('p', {}, cancel)] : []),
        section(say('story'), story(order)),
        section(say('stored'), details(order)),
      );
    });
  void load();
  return { content: [element('h1', {}, say('order')), hint(orderId), problem, place] };
}
