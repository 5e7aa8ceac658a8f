import { call } from '../page/api.ts';
import type { Sale } from '../page/answers.ts';
import { element, type View } from '../page/dom.ts';
import { jsonForm } from '../page/json-form.ts';
import { randomHex } from '../page/random.ts';
import { say } from '../page/words.ts';

/** An example of a sale. Every other field of the API may be added. */
const example = (): unknown => ({
  // The id is made once, so a repeat after a lost answer or a second press makes no second sale.
  id: `sale-${randomHex(4)}`,
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
  const form = jsonForm(say('saleJson'), say('createIt'), example(), async (body) => {
    const { id } = await call<Sale>('POST', '/v1/sales', { body });
    location.hash = `#/sales/${encodeURIComponent(id)}`;
  });
  return { content: [element('h1', {}, say('create')), form] };
}
