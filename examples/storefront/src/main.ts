/** The page: its frame, and which screen the address shows (`#/`, `#/sale/ID`, `#/orders`, `#/order/ID`). */
import { button, byId, element, setText } from './dom.ts';
import { ordersScreen } from './screens/orders.ts';
import { orderScreen } from './screens/order.ts';
import { saleScreen } from './screens/sale.ts';
import { salesScreen } from './screens/sales.ts';
import { failure, heading } from './screens/screen.ts';
import type { Screen } from './screens/screen.ts';
import { openShop } from './shop.ts';
import { currentLanguage, switchLanguage, texts } from './texts.ts';

const SCREENS: Record<string, Screen> = {
  '': salesScreen,
  sale: saleScreen,
  orders: ordersScreen,
  order: orderScreen,
};

let leave = new AbortController();

function drawFrame(path: string): void {
  document.documentElement.lang = currentLanguage() === 'zh' ? 'zh-CN' : 'en';
  const link = (hash: string, text: string): HTMLElement =>
    element('a', { href: hash, 'aria-current': hash === `#/${path}` ? 'page' : undefined }, text);
  const language = button(
    texts().otherLanguage,
    () => {
      switchLanguage();
      void show();
    },
    { lang: currentLanguage() === 'zh' ? 'en' : 'zh-CN' },
  );
  byId('top').replaceChildren(
    element('nav', {}, link('#/', texts().shop), link('#/orders', texts().orders)),
    language,
  );
  setText(byId('skip'), texts().skip);
  setText(byId('foot'), texts().sandbox);
}

async function show(): Promise<void> {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [, path = '', id = ''] = /^#\/(\w*)(?:\/([\w.-]+))?$/.exec(location.hash) ?? [];
  drawFrame(path);
  const root = element('div');
  byId('main').replaceChildren(root);
  try {
    const shop = await openShop();
    if (signal.aborted) return;
    const screen = SCREENS[path] ?? salesScreen;
    const drawn = screen({ shop, root, signal }, id);
    titleBy(root, signal);
    await drawn;
  } catch {
    root.replaceChildren(
      heading(texts().shop),
      failure({ code: 'outcome_unknown' }, () => void show()),
    );
  }
}

/** The title of the page is its heading, as soon as there is one, and who listens to the page hears it. */
function titleBy(root: HTMLElement, signal: AbortSignal): void {
  const look = (): void => {
    const top = root.querySelector('h1');
    if (top === null || signal.aborted) return;
    watch.disconnect();
    document.title = `${top.textContent} · Seckill`;
    top.focus({ preventScroll: true });
  };
  const watch = new MutationObserver(look);
  watch.observe(root, { childList: true, subtree: true });
  look();
}

addEventListener('hashchange', () => {
  scrollTo(0, 0);
  void show();
});
document.getElementById('skip')?.addEventListener('click', (event) => {
  // The address names the screen, so a jump must not change it.
  event.preventDefault();
  byId('main').focus();
});
void show();
