// Goal: the pictures of the console in the docs show the page as it is. Method: `npm run screenshots` takes
// them of a real sale, while the demo's crowd buys.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import t from 'tap';
import { createSale } from '../support/stack.ts';
import { findBrowser } from '../support/browser.ts';
import { openConsole, startCrowd } from './support.ts';

/** The crowd and the browser share the machine with whatever else runs there. */
const until = untilWithin(60_000);
const FOLDER = join(ROOT, 'docs/operating/pictures');
/** Readers load all of them. */
const BYTES_MAX = 150_000;

const program = await findBrowser(t);
if (program === undefined)
  throw new Error('There is no Chromium on this machine, and none could be installed');

await t.test('each picture is taken of a real sale, and small', async (t) => {
  const desk = await openConsole(t, 'console-pictures', program);
  const { client, page, card, button } = desk;
  const item = (sku: string, en: string, zh: string, amount: number, total: number) => ({
    sku,
    title: { en, zh },
    price: { amount, currency: 'CNY' },
    total,
  });
  const channel = (id: string, title: string, partnerId: string, cap: number) =>
    ({ id, kind: 'community', title, partnerId, pickupPointId: `store-${id}`, cap }) as const;
  const sale = {
    id: 'fruit',
    title: { en: 'Fruit straight from the grove', zh: '产地鲜果 限时秒杀' },
    items: [
      item('orange-5kg', 'Navel oranges 5 kg', '赣南脐橙 5kg', 2_990, 200),
      item('mango-3kg', 'Mangoes 3 kg', '百色芒果 3kg', 3_590, 100),
    ],
    channels: [channel('xingfu-li', '幸福里', 'p-7', 120), channel('yangguang', '阳光花园', 'p-9', 120)],
  };
  await createSale(client, sale.id, sale);
  await page.setViewportSize({ width: 1100, height: 1000 });
  await desk.signIn();
  await page.getByRole('link', { name: `${sale.title.en} (fruit)` }).click();
  await until('the page is live', async () => (await page.getByRole('status').textContent()) === 'Live');
  const crowd = startCrowd(desk, { sale, buyers: 900, seed: 11, waitMs: 2_000 });
  await until('most of it is sold', async () => Number(await card('Available').textContent()) < 80);
  await page.getByRole('cell', { name: 'accepted' }).waitFor();
  mkdirSync(FOLDER, { recursive: true });
  const taken: string[] = [];
  const take = async (name: string) => {
    const path = join(FOLDER, `${name}.png`);
    taken.push(path);
    await page.mouse.move(0, 0);
    await page.screenshot({ path });
  };
  await take('console-sale');
  await crowd.leave();
  await button('Refresh').click();
  await page.getByRole('region', { name: 'Partner' }).getByRole('cell', { name: 'p-9' }).waitFor();
  await page
    .getByRole('heading', { name: 'Channels and partners' })
    .evaluate('(node) => node.scrollIntoView()');
  await take('console-board');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 780 });
  await button('中文').click();
  await page.getByText('实时', { exact: true }).waitFor();
  await page.getByRole('heading', { name: '产地鲜果' }).waitFor();
  await take('console-phone');
  for (const path of taken) t.ok(statSync(path).size < BYTES_MAX, path);
});
