/** The operators' page: which view is shown, by the part of the address behind `#`, which holds no token. */
import { deadLettersView } from './after/dead-letters-view.ts';
import { handOutView } from './after/hand-out-view.ts';
import { noticesView } from './after/notices-view.ts';
import { orderSearchView, orderView } from './after/order-view.ts';
import { refundsView } from './after/refunds-view.ts';
import { loginView } from './login-view.ts';
import { isSignedIn, signOut } from './page/api.ts';
import { button, element, type View } from './page/dom.ts';
import { currentLanguage, say, setLanguage } from './page/words.ts';
import { createView } from './sale/create-view.ts';
import { editView } from './sale/edit-view.ts';
import { saleView } from './sale/sale-view.ts';
import { salesView } from './sale/sales-view.ts';

let leave: View['leave'];

/** Views by the first word behind `#/`; those of one thing get its id. */
const LISTS: Record<string, () => View> = {
  create: createView,
  order: orderSearchView,
  handout: handOutView,
  refunds: refundsView,
  notices: noticesView,
  letters: deadLettersView,
};
const SINGLES: Record<string, (id: string) => View> = { sales: saleView, edit: editView, order: orderView };

function viewOf(hash: string): View {
  if (!isSignedIn()) return loginView(show);
  const [, place = '', id = ''] = hash.split('/');
  const view = id === '' ? LISTS[place] : SINGLES[place];
  return view === undefined ? salesView() : view(decode(id));
}

/** An address that was typed by hand may be malformed. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function navigation(): HTMLElement {
  const language = button(say('language'), () => {
    setLanguage(currentLanguage() === 'zh' ? 'en' : 'zh');
    show();
  });
  const links = [
    ['#/sales', say('sales')],
    ['#/create', say('create')],
    ['#/order', say('order')],
    ['#/handout', say('hand')],
    ['#/refunds', say('refunds')],
    ['#/notices', say('notices')],
    ['#/letters', say('letters')],
  ].map(([href = '', text = '']) => element('a', { href }, text));
  const out = button(say('signOut'), () => {
    signOut();
    show();
  });
  const signedIn = isSignedIn() ? [element('nav', { class: 'row' }, ...links), out] : [];
  return element('header', {}, element('strong', {}, say('console')), ...signedIn, language);
}

function show(): void {
  leave?.();
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
  const view = viewOf(location.hash);
  leave = view.leave;
  document.title = say('console');
  document.getElementById('app')?.replaceChildren(navigation(), element('main', {}, ...view.content));
}

setLanguage(currentLanguage());
addEventListener('hashchange', show);
show();
