import { call, signIn, type Sale } from './api.ts';
import { alertBox, askFirst, attempt, button, element, field, table, type View } from './dom.ts';
import { say, sayIfKnown, textOf, timeOf } from './words.ts';

const sending = (form: HTMLFormElement, act: () => void): void => {
  form.addEventListener('submit', (event) => {
    // The form is not sent by the browser, so that no typed text comes into an address.
    event.preventDefault();
    act();
  });
};

export function loginView(onDone: () => void): View {
  const { box, input } = field('token', say('token'), {
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    required: '',
  });
  const problem = alertBox();
  const form = element(
    'form',
    {},
    box,
    element('p', { class: 'quiet' }, say('tokenHint')),
    problem,
    element('button', { type: 'submit', class: 'first' }, say('signIn')),
  );
  sending(form, () => {
    void attempt(problem, async () => {
      await signIn(input.value);
      input.value = '';
      onDone();
    });
  });
  return { content: [element('h1', {}, say('signIn')), form] };
}

export function salesView(): View {
  const place = element('div', {}, say('loading'));
  const problem = alertBox();
  void attempt(problem, async () => {
    const { data } = await call<{ data: Sale[] }>('GET', '/v1/sales?limit=100');
    const rows = data.map(({ id, title, state, opensAt, closesAt, items }) => {
      const own = items.filter(({ components }) => components === undefined);
      const left = own.reduce((all, { available }) => all + available, 0);
      const total = own.reduce((all, item) => all + item.total, 0);
      const link = element('a', { href: `#/sales/${encodeURIComponent(id)}` }, `${textOf(title)} (${id})`);
      return [link, sayIfKnown(state), timeOf(opensAt), timeOf(closesAt), `${left} / ${total}`];
    });
    const heads = [say('title'), say('state'), say('opens'), say('closes'), say('left')];
    place.replaceChildren(rows.length === 0 ? say('none') : table(say('sales'), heads, rows));
  });
  return { content: [element('h1', {}, say('sales')), problem, place] };
}

/** An example of a sale. Every other field of the API may be added. */
const example = (): unknown => ({
  // The id is made once, so a repeat after a lost answer or a second press makes no second sale.
  id: `sale-${crypto.randomUUID().slice(0, 8)}`,
  title: { en: 'Oranges, 5 kg', zh: '赣南脐橙 5kg' },
  closesAt: new Date(Date.now() + 600_000).toISOString(),
  holdSeconds: 900,
  limitPerBuyer: 2,
  items: [
    {
      sku: 'orange-5kg',
      title: { en: 'Oranges', zh: '脐橙' },
      price: { amount: 2990, currency: 'CNY' },
      total: 2000,
    },
  ],
});

export function createView(): View {
  const text = element('textarea', { id: 'sale', spellcheck: 'false' }, JSON.stringify(example(), null, 2));
  const problem = alertBox();
  const form = element(
    'form',
    {},
    element('label', { for: 'sale' }, say('saleJson')),
    text,
    problem,
    element('button', { type: 'submit', class: 'first' }, say('createIt')),
  );
  sending(form, () => {
    let body: unknown;
    try {
      body = JSON.parse(text.value);
    } catch (error) {
      problem.textContent = `${say('notJson')}: ${String(error)}`;
      return;
    }
    void attempt(problem, async () => {
      const { id } = await call<Sale>('POST', '/v1/sales', { body });
      location.hash = `#/sales/${encodeURIComponent(id)}`;
    });
  });
  return { content: [element('h1', {}, say('create')), form] };
}

interface Order {
  id: string;
  status: string;
  [field: string]: unknown;
}

export function orderView(): View {
  const { box, input } = field('order', say('orderId'), { type: 'text', required: '', spellcheck: 'false' });
  const problem = alertBox();
  const place = element('div');
  const find = (): Promise<void> =>
    attempt(problem, async () => {
      place.replaceChildren();
      const order = await call<Order>('GET', `/v1/orders/${encodeURIComponent(input.value.trim())}`);
      const rows = Object.entries(order).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]);
      place.replaceChildren(table(say('order'), [say('title'), order.id], rows));
      if (order.status !== 'pending') return;
      const cancel = button(say('cancelOrder'), () => {
        askFirst(say('cancelOrder'), async ({ reason }) => {
          const path = `/v1/orders/${encodeURIComponent(order.id)}/cancel`;
          await call('POST', path, { body: { reason } });
          await find();
        });
      });
      place.append(element('p', {}, cancel));
    });
  const form = element(
    'form',
    {},
    box,
    element('p', {}, element('button', { type: 'submit', class: 'first' }, say('find'))),
  );
  sending(form, () => void find());
  return { content: [element('h1', {}, say('order')), form, problem, place] };
}
