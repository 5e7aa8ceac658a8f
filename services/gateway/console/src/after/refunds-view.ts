import { call } from '../page/api.ts';
import type { Money, Page } from '../page/answers.ts';
import { askFirst } from '../page/ask.ts';
import { textOfCode } from '../page/codes.ts';
import { button, choice, element, field, onSubmit, type View } from '../page/dom.ts';
import { paged } from '../page/paged.ts';
import { moneyOf, say, timeOf } from '../page/words.ts';

interface Refund {
  id: string;
  orderId: string;
  paymentId: string;
  amount: Money;
  reason: string;
  state: string;
  since: string;
  reference?: string;
}

/** Money that is to be given back, or was. */
export function refundsView(): View {
  const state = choice('state', say('state'), { due: say('due'), done: say('done') });
  const sale = field('sale-id', say('saleId'), { type: 'text', spellcheck: 'false' });
  const heads = [say('order'), say('payment'), say('amount'), say('reason'), say('since'), say('action')];
  const list = paged(
    say('refunds'),
    heads,
    (path) => call<Page<Refund>>('GET', path),
    (refund) => [
      element('a', { href: `#/order/${encodeURIComponent(refund.orderId)}` }, refund.orderId),
      refund.paymentId,
      moneyOf(refund.amount),
      textOfCode(refund.reason),
      timeOf(refund.since),
      refund.state === 'due' ? doneButton(refund) : (refund.reference ?? ''),
    ],
  );
  const load = (): void => {
    void list.load('/v1/refunds', { state: state.input.value, saleId: sale.input.value.trim() });
  };

  function doneButton({ id, amount }: Refund): HTMLElement {
    return button(say('markDone'), () => {
      const asked = {
        reference: { label: say('reference'), attributes: { maxlength: '200', required: '' } },
      };
      askFirst(`${say('markDone')}: ${moneyOf(amount)}`, asked, async ({ reference }) => {
        await call('POST', `/v1/refunds/${encodeURIComponent(id)}/done`, { body: { reference } });
        load();
      });
    });
  }

  const filter = element(
    'form',
    {},
    state.box,
    sale.box,
    element('p', {}, element('button', { type: 'submit' }, say('search'))),
  );
  onSubmit(filter, load);
  load();
  return { content: [element('h1', {}, say('refunds')), filter, list.box] };
}
