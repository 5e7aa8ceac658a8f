import { call } from '../page/api.ts';
import type { Line } from '../page/answers.ts';
import { alertBox, attempt, element, field, onSubmit, type View } from '../page/dom.ts';
import { say } from '../page/words.ts';

interface Pickup {
  orderId: string;
  userId: string;
  lines: Line[];
  contact?: Record<string, string>;
}

/** Marks an order as handed out, by the code that its buyer says. */
export function handOutView(): View {
  const sale = field('sale-id', say('saleId'), { type: 'text', required: '', spellcheck: 'false' });
  const point = field('point-id', say('pickupPoint'), { type: 'text', spellcheck: 'false' });
  const code = field('code', say('pickupCode'), { type: 'text', inputmode: 'numeric', required: '' });
  const problem = alertBox();
  const told = element('p', { role: 'status', class: 'good' });
  const form = element(
    'form',
    {},
    sale.box,
    point.box,
    code.box,
    problem,
    element('button', { type: 'submit', class: 'first' }, say('handOut')),
  );
  onSubmit(form, () => {
    told.textContent = '';
    void attempt(problem, async () => {
      const pickupPointId = point.input.value.trim();
      const { orderId, userId, lines, contact } = await call<Pickup>('POST', '/v1/pickups', {
        body: {
          saleId: sale.input.value.trim(),
          code: code.input.value.trim(),
          ...(pickupPointId === '' ? {} : { pickupPointId }),
        },
      });
      const units = lines.map(({ sku, quantity }) => `${quantity} × ${sku}`).join(', ');
      const person = [userId, ...Object.values(contact ?? {})].join(' · ');
      told.textContent = `${say('handedOut')}: ${units} · ${person} · ${orderId}`;
      code.input.value = '';
    });
  });
  return { content: [element('h1', {}, say('handOut')), form, told] };
}
