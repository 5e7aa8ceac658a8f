// Goal: in a real browser a buyer finds a sale, buys several lines, pays, sees the order and its pick-up
// code, sees units come back and hears "sold out" live, and loses nothing when the gateway is killed in the
// middle; every screen is accessible, fits a phone, and breaks no rule of its content security policy.
// Method: Debian's Chromium on the whole system, axe-core on each screen in light and dark; other buyers use
// the client.
import { request } from 'node:http';
import { generate } from 'lean-qr';
import type { Page } from 'playwright-core';
import t from 'tap';
import { findBarriers, findBrowser } from '../../../test/support/browser.ts';
import { makeBuyer, oneOf } from '../../../test/support/buyer.ts';
import { createSale } from '../../../test/support/stack.ts';
import { card, openShop, PHONE } from './support.ts';

/** Modules of quiet zone around a QR code: ISO/IEC 18004 wants four. */
const QUIET_MODULES = 4;

/**
 * The pause of a client that found nobody (2 to 3 s), a look, and the new connection: what the page needs at
 * most, and a second for a busy machine.
 */
const LIVE_AGAIN_MS = 4_000;
/** A busy machine takes a while to start a gateway. */
const START_MS = 60_000;

const both = (zh: string, en: string) => ({ zh, en });
const item = (sku: string, zh: string, en: string, total: number) => ({
  sku,
  title: both(zh, en),
  price: { amount: 2_990, currency: 'CNY' },
  total,
});
const FRUIT = {
  title: both('鲜果', 'Fruit'),
  description: both('今早采摘', 'Picked this morning'),
  items: [item('orange', '脐橙', 'Oranges', 10), item('mango', '芒果', 'Mangoes', 2)],
};

/** Rows of the code as it must be drawn, with the quiet zone around it. */
const modulesOf = (text: string): string =>
  generate(text).toString({ on: '#', off: ' ', lf: '\n', pad: QUIET_MODULES });

/** Rows of what is really seen. Each module is read at its middle, in a picture of the screen. */
async function modulesSeen(page: Page): Promise<string> {
  const picture = await page.locator('.qr').screenshot();
  const size = Number((await page.locator('.qr').getAttribute('viewBox'))?.split(' ')[2]);
  return page.evaluate(
    `(async () => {
      const bytes = Uint8Array.from(atob('${picture.toString('base64')}'), (one) => one.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes]));
      const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
      canvas.drawImage(image, 0, 0);
      const isDark = (x, y) => canvas.getImageData(x, y, 1, 1).data[0] < 128;
      const at = (index, pixels) => Math.floor(((index + 0.5) * pixels) / ${size});
      const count = Array.from({ length: ${size} }, (_, index) => index);
      const row = (y) => count.map((x) => (isDark(at(x, image.width), at(y, image.height)) ? '#' : ' ')).join('');
      return count.map((y) => row(y) + '\\n').join('');
    })()`,
  );
}

const executable = await findBrowser(t);
if (executable === undefined) {
  t.comment(
    'There is no Chromium on this machine, and none could be installed (on Debian as root: apt-get).',
  );
  t.plan(0, 'no Chromium');
} else {
  const { system, browser, url } = await openShop(t, 'storefront', executable);
  const context = await browser.newContext({ viewport: PHONE, locale: 'en-GB' });
  context.setDefaultTimeout(15_000);
  // A page of http by another name than localhost, as on a phone in the shop's own network, has none.
  await context.addInitScript('delete Crypto.prototype.randomUUID');
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (/Content.Security.Policy|Trusted/i.test(message.text())) complaints.push(message.text());
  });

  /** Tells what axe finds in light and in dark, and whether the screen is wider than the phone. */
  const troublesOf = async (screen: Page): Promise<string[]> => {
    const troubles: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await screen.emulateMedia({ colorScheme });
      troubles.push(...(await findBarriers(screen)).map((one) => `${colorScheme}: ${one}`));
    }
    const width: number = await screen.evaluate('document.documentElement.scrollWidth');
    if (width > PHONE.width) troubles.push(`${width} px wide`);
    return troubles;
  };
  const left = (title: string) => card(page, title).getByText(/ of \d+ left/);
  const sees = (text: string | RegExp) => page.getByText(text).first().waitFor();
  const buy = page.getByRole('button', { name: 'Buy now' });
  const add = (title: string) => page.getByRole('button', { name: `One more ${title}` }).click();

  await createSale(system, 'web-fruit', FRUIT);
  const orange = item('orange', '脐橙', 'Oranges', 10);
  const { total: _total, ...kit } = item('box', '礼盒', 'Box', 0);
  const box = { ...kit, components: [{ sku: 'orange', quantity: 2 }] };
  await createSale(system, 'web-group', { title: 'Together', groupMinimum: 3, items: [orange, box] });
  const channels = [{ id: 'li', kind: 'community', title: 'Li', groupMinimum: 2 }];
  await createSale(system, 'web-groups', { title: 'Groups', groupMinimum: 3, items: [orange], channels });
  await createSale(system, 'web-later', { opensAt: new Date(Date.now() + 300_000).toISOString() });

  await t.test('the list leads to a sale', async (t) => {
    await page.goto(url);
    await card(page, 'Fruit').getByText('On sale').waitFor();
    await card(page, 'Test sale')
      .getByText(/Opens in 0[45]:\d\d/)
      .waitFor();
    t.same(await troublesOf(page), []);
    await page.getByRole('link', { name: 'Fruit' }).click();
    await sees('10 of 10 left');
    await sees('Picked this morning');
    t.match(await page.title(), /^Fruit/);
    t.ok(await buy.isDisabled(), 'nothing is chosen');
    t.same(await troublesOf(page), []);
  });

  await t.test('a basket of two lines is bought and paid, and the order has a code', async (t) => {
    await add('Oranges');
    await add('Oranges');
    await add('Mangoes');
    await sees('3 units · CN¥89.70');
    await buy.click();
    await sees('Waiting for payment');
    await sees(/Pay within 1[45]:\d\d/);
    await sees('Oranges × 2');
    t.same(await troublesOf(page), []);
    await page.getByRole('button', { name: 'Pay (sandbox)' }).click();
    await page.getByRole('img', { name: /^QR code of \d+$/ }).waitFor();
    t.same(await modulesSeen(page), modulesOf((await page.locator('.code').textContent()) ?? ''));
    t.notOk(await page.getByRole('button', { name: 'Cancel the order' }).isVisible());
    t.same(await troublesOf(page), []);
  });

  await t.test('my orders outlive a reload', async (t) => {
    await page.getByRole('link', { name: 'My orders' }).click();
    await card(page, 'Fruit').getByText('Paid').waitFor();
    await page.reload();
    await card(page, 'Fruit').getByText('Paid').waitFor();
    t.same(await troublesOf(page), []);
  });

  await t.test('units that another buyer cancels come back, and "sold out" is heard live', async (t) => {
    const other = makeBuyer(system, 'other');
    await page.goto(`${url}/#/sale/web-fruit`);
    await left('Mangoes').filter({ hasText: '1 of 2' }).waitFor();
    const taken = await other.reserve('web-fruit', oneOf('mango'));
    if (!taken.ok) throw new Error(taken.code);
    await card(page, 'Mangoes').getByText('All reserved, some may come back').waitFor();
    await page.getByRole('status').getByText('Mangoes is sold out').waitFor();
    t.ok(await page.getByRole('button', { name: 'One more Mangoes' }).isDisabled());
    t.match(await other.cancel(taken.value.id), { ok: true });
    await left('Mangoes').filter({ hasText: '1 of 2' }).waitFor();
    await page.getByRole('status').getByText('Mangoes: 1 for sale again').waitFor();
    const bought = await other.reserve('web-fruit', oneOf('mango'));
    if (!bought.ok) throw new Error(bought.code);
    t.match(await other.pay(bought.value.id), { ok: true });
    await card(page, 'Mangoes').getByText('Sold out', { exact: true }).waitFor();
    t.same(await troublesOf(page), []);
  });

  await t.test('a buyer buys once while the gateway is away, and hears the sale live again', async (t) => {
    await add('Oranges');
    await system.stack.kill('gateway');
    await buy.click();
    await sees(/Trying again…/);
    t.same(await troublesOf(page), []);
    await system.stack.restart('gateway');
    await sees('Waiting for payment');
    await page.getByRole('link', { name: 'Back to the sale' }).click();
    await left('Oranges').filter({ hasText: '7 of 10' }).waitFor();
    t.match(await makeBuyer(system, 'third').reserve('web-fruit', oneOf('orange', 2)), { ok: true });
    await left('Oranges').filter({ hasText: '5 of 10' }).waitFor();
  });

  await t.test('a page that shows a sale hears it live within seconds after a restart', async (t) => {
    // A look that succeeded was followed by the pause between two looks: half of the time was lost there.
    const heard = (end: string) =>
      page.waitForResponse((one) => one.url().endsWith(end) && one.status() === 200, { timeout: START_MS });
    const isLive = () => heard('/web-fruit/events?counts=true');
    const before = isLive();
    await page.goto(`${url}/#/sale/web-fruit`);
    await page.reload();
    await before;
    await left('Oranges')
      .filter({ hasText: / of 10/ })
      .waitFor();
    const looked = heard('/sales/web-fruit').then(() => performance.now());
    const again = isLive().then(() => performance.now());
    await system.stack.kill('gateway');
    // Long enough that the page has found the gateway away.
    await page.waitForTimeout(2_000);
    await system.stack.restart('gateway');
    const readyAt = performance.now();
    const [lookedAt, liveAt] = await Promise.all([looked, again]);
    const [fromReady, fromLook] = [Math.round(liveAt - readyAt), Math.round(liveAt - lookedAt)];
    t.comment(`live again ${fromReady} ms after the gateway was, ${fromLook} ms after the first look`);
    t.ok(fromReady < LIVE_AGAIN_MS, `${fromReady} ms`);
    t.ok(fromLook < 1_000, `${fromLook} ms`);
  });

  await t.test(
    'a purchase whose end is unknown is asked for under its key, after a reload too',
    async (t) => {
      await add('Oranges');
      // The answer is lost, and the page is closed before a repeat.
      await page.route('**/reservations', async (route) => {
        await route.fetch();
        await route.abort();
      });
      await buy.click();
      await sees(/Trying again…/);
      await page.unrouteAll({ behavior: 'wait' });
      await page.reload();
      await page.getByRole('button', { name: 'Ask again' }).click();
      await sees('Waiting for payment');
      await page.getByRole('link', { name: 'Back to the sale' }).click();
      t.match(
        await left('Oranges')
          .filter({ hasText: / of 10/ })
          .textContent(),
        '4 of 10',
        'taken once',
      );
      await buy.waitFor();
    },
  );

  await t.test('a group purchase tells who joined, and gives the code once it is reached', async (t) => {
    const other = makeBuyer(system, 'joins');
    const taken = await other.reserve('web-group', oneOf('box'));
    if (!taken.ok) throw new Error(taken.code);
    await page.goto(`${url}/#/sale/web-group`);
    await sees('Group purchase: 2 of 3 joined');
    await add('Oranges');
    await buy.click();
    await page.getByRole('button', { name: 'Pay (sandbox)' }).click();
    await sees('The group purchase is decided after the close');
    t.equal(await page.locator('.qr').count(), 0, 'nothing is handed out yet');
    t.same(await troublesOf(page), []);
    t.match(await other.pay(taken.value.id), { ok: true });
    const close = { method: 'POST', path: '/v1/sales/web-group/close' } as const;
    t.match(await system.send({ ...close, token: await system.token('operator', true) }), { status: 200 });
    await sees('The group purchase is on');
    await page.getByRole('img', { name: /^QR code of \d+$/ }).waitFor();
    const asked = page.waitForResponse(/web-groups\/channels/);
    await page.goto(`${url}/#/sale/web-groups`);
    await sees('10 of 10 left');
    await (await asked).finished();
    await page.waitForTimeout(200);
    t.equal(
      await page
        .getByText(/joined/)
        .filter({ visible: true })
        .count(),
      0,
      'the sum is of no group',
    );
  });

  await t.test('an order that is not paid can be cancelled, and the page speaks Chinese', async (t) => {
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('link', { name: '我的订单' }).click();
    await card(page, '鲜果').filter({ hasText: '待支付' }).getByRole('link').first().click();
    await page.getByRole('button', { name: '取消订单' }).click();
    await sees('已取消');
    t.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
    t.same(await troublesOf(page), []);
    // A text of the API comes in the same language.
    await page.goto(`${url}/#/sale/no-such-sale`);
    await sees('场次不存在');
    t.same(await troublesOf(page), []);
  });

  await t.test('nobody else signs in at the page, and it breaks no rule of its own', async (t) => {
    const status = await new Promise((resolve) => {
      const headers = { host: 'shop.example' };
      request(`${url}/session`, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).end();
    });
    t.equal(status, 421, 'a name that was pointed at this machine');
    t.same(complaints, []);
  });
}
