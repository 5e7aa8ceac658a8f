/** The operators' page: which view is shown, by the part of the address behind `#`, which holds no token. */
import { isSignedIn, signOut } from './api.ts';
import { button, element, type View } from './dom.ts';
import { saleView } from './sale-view.ts';
import { createView, loginView, orderView, salesView } from './views.ts';
import { currentLanguage, say, setLanguage } from './words.ts';

let leave: View['leave'];

function viewOf(hash: string): View {
  if (!isSignedIn()) return loginView(show);
  const [, place, id] = hash.split('/');
  if (place === 'sales' && id !== undefined) return saleView(decodeURIComponent(id));
  if (place === 'create') return createView();
  if (place === 'order') return orderView();
  return salesView();
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
