/** The operators' page: which view is shown, by the part of the address behind `#`, which holds no token. */
import { deadLettersView } from './after/dead-letters-view.ts';
import { handOutView } from './after/hand-out-view.ts';
import { noticesView } from './after/notices-view.ts';
import { orderSearchView, orderView } from './after/order-view.ts';
import { refundsView } from './after/refunds-view.ts';
import { loginView } from './login-view.ts';
import { isSignedIn, signOut } from './page/api.ts';
import { button, element, type View } from './page/dom.ts';
import { CONTENT, contentBox } from './page/focus.ts';
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
  if (!isSignedIn()) return loginView(enter);
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

/** Past the links, for whoever goes by keyboard. No address: that names the screen. */
function skipLink(): HTMLElement {
  const link = element('a', { href: `#${CONTENT}`, class: 'skip' }, say('skip'));
  link.addEventListener('click', (event) => {
    event.preventDefault();
    contentBox()?.focus();
  });
  return link;
}

function navigation(): HTMLElement {
  const language = button(say('language'), () => {
    setLanguage(currentLanguage() === 'zh' ? 'en' : 'zh');
    show();
    document.querySelector<HTMLElement>('header > button:last-child')?.focus();
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
    document.querySelector<HTMLElement>('main input')?.focus();
  });
  const signedIn = isSignedIn() ? [element('nav', { class: 'row' }, ...links), out] : [];
  return element('header', {}, element('strong', {}, say('console')), ...signedIn, language);
}

/** Says which screen this is: in the title, and at the link that leads here. */
function announce(): void {
  const [, place = '', id = ''] = location.hash.split('/');
  const here = `#/${place === '' || place === 'edit' ? 'sales' : place}`;
  const link = [...document.querySelectorAll('nav a')].find((one) => one.getAttribute('href') === here);
  link?.setAttribute('aria-current', 'page');
  const names = [id === '' ? '' : decode(id), link?.textContent ?? '', say('console')];
  document.title = names.filter((name) => name !== '').join(' · ');
}

/** A keyboard goes on at the beginning of the screen that was chosen. */
function enter(): void {
  show();
  contentBox()?.focus();
}

function show(): void {
  leave?.();
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
  const view = viewOf(location.hash);
  leave = view.leave;
  const main = element('main', { id: CONTENT, tabindex: '-1' }, ...view.content);
  document.getElementById('app')?.replaceChildren(skipLink(), navigation(), main);
  announce();
}

setLanguage(currentLanguage());
addEventListener('hashchange', enter);
show();
