// Goal: the pictures of both READMEs show the page as it is. Method: `npm run screenshots` takes them of a
// real sale, in which other buyers buy as well.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@seckill/stack';
import t from 'tap';
import { findBrowser } from '../../../test/support/browser.ts';
import { makeBuyer, oneOf } from '../../../test/support/buyer.ts';
import { createSale } from '../../../test/support/stack.ts';
import { card, openShop } from './support.ts';

const FOLDER = join(ROOT, 'examples/storefront/pictures');
/** Both READMEs load all of them. */
const BYTES_MAX = 150_000;

const both = (zh: string, en: string) => ({ zh, en });
const FRUIT = {
  title: both('产地鲜果 限时秒杀', 'Fruit straight from the grove'),
  description: both('今早采摘，明早自提。', 'Picked this morning, collected tomorrow.'),
  limitPerBuyer: 4,
  items: [
    { sku: 'orange-5kg', title: both('赣南脐橙 5kg', 'Navel oranges 5 kg'), amount: 2_990, total: 20 },
    { sku: 'mango-3kg', title: both('百色芒果 3kg', 'Mangoes 3 kg'), amount: 3_590, total: 12 },
    { sku: 'pear-2kg', title: both('雪梨 2kg', 'Snow pears 2 kg'), amount: 1_990, total: 3 },
  ].map(({ amount, ...item }) => ({ ...item, price: { amount, currency: 'CNY' } })),
};

const executable = await findBrowser(t);
if (executable === undefined)
  throw new Error('There is no Chromium on this machine, and none could be installed');
const { system, browser, url } = await openShop(t, 'screenshots', executable);
const viewport = { width: 390, height: 780 };

await t.test('each picture is taken of a real sale, and small', async (t) => {
  await createSale(system, 'fruit', FRUIT);
  const other = makeBuyer(system, 'other');
  for (const lines of [oneOf('pear-2kg', 3), oneOf('orange-5kg', 1)]) {
    const taken = await other.reserve('fruit', lines);
    if (!taken.ok) throw new Error(taken.code);
    await other.pay(taken.value.id);
  }
  const open = async (locale: string, colorScheme: 'light' | 'dark') => {
    const context = await browser.newContext({ viewport, locale, colorScheme });
    return context.newPage();
  };
  const english = await open('en-GB', 'light');
  await english.goto(`${url}/#/sale/fruit`);
  for (const title of ['Navel oranges 5 kg', 'Navel oranges 5 kg', 'Mangoes 3 kg']) {
    await english.getByRole('button', { name: `One more ${title}` }).click();
  }
  await card(english, 'Snow pears 2 kg').getByText('Sold out', { exact: true }).waitFor();
  const names = ['sale', 'order', 'sale-zh'].map((name) => join(FOLDER, `${name}.png`));
  const [sale = '', order = '', chineseSale = ''] = names;
  await english.screenshot({ path: sale });
  await english.getByRole('button', { name: 'Buy now' }).click();
  await english.getByRole('button', { name: 'Pay (sandbox)' }).click();
  await english.getByRole('img', { name: /^QR code/ }).waitFor();
  await english.mouse.move(0, 0);
  await english.screenshot({ path: order });
  const chinese = await open('zh-CN', 'dark');
  await chinese.goto(`${url}/#/sale/fruit`);
  await chinese.getByRole('button', { name: '增加一件 百色芒果 3kg' }).click();
  await chinese.screenshot({ path: chineseSale });
  for (const path of names) t.ok(statSync(path).size < BYTES_MAX, path);
});
