// Goal: an operator does a sale's work in the console: creates it, watches it empty, pauses, resumes,
// restocks, cancels an order. The page is one that everybody can use, and keeps the token to itself.
// Method: a real browser on the whole system, while a crowd buys over the API.
import t from 'tap';
import { buildStack, until } from '../support/stack.ts';
import { findBarriers, findBrowser, startBrowser } from '../support/browser.ts';

const program = await findBrowser(t);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('an operator holds a sale in the console', { skip }, async (t) => {
  const client = await buildStack(t, 'console', { CONSOLE: 'true' });
  const browser = await startBrowser(t, program ?? '');
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const card = (name: string) => page.locator('.card', { hasText: name }).locator('b');
  const confirm = async () => {
    await button('Do it').click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  };
  const token = await client.token('operator', true);
  const buy = async (index: number) =>
    client.send({
      method: 'POST',
      path: '/v1/sales/console-sale/reservations',
      token: await client.token(`buyer-${index}`),
      key: 'k',
      body: { lines: [{ sku: 'a', quantity: 1 }] },
    });

  await t.test('only an operator gets in', async (t) => {
    await page.goto(`${client.stack.info.gateway}/console`);
    t.same(await findBarriers(page), []);
    await page.getByLabel("Operator's token").fill(await client.token('somebody'));
    await button('Sign in').click();
    await page.getByRole('alert').filter({ hasText: 'sale:admin' }).waitFor();
    await page.getByLabel("Operator's token").fill(token);
    // The operator signs in by the keyboard alone.
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sales' }).waitFor();
    t.same(await findBarriers(page), []);
  });

  await t.test('creates a sale; a mistake is told in the words of the API', async (t) => {
    await page.getByRole('link', { name: 'New sale' }).click();
    const sale = {
      id: 'console-sale',
      title: { en: 'Mangoes', zh: '芒果' },
      closesAt: new Date(Date.now() + 600_000).toISOString(),
      items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 40 }],
      channels: [{ id: 'xhs', kind: 'content', title: '小红书', cap: 30 }],
    };
    const text = page.getByLabel('The sale, as the API takes it');
    await text.fill(JSON.stringify({ ...sale, holdSeconds: 0 }));
    await button('Create').click();
    await page.getByRole('alert').filter({ hasText: 'holdSeconds' }).waitFor();
    t.same(await findBarriers(page), []);
    await text.fill(JSON.stringify(sale));
    await button('Create').click();
    await page.getByRole('heading', { name: 'Mangoes' }).waitFor();
    await page.getByText('小红书 (xhs)').waitFor();
    await page.getByText('INV-1').waitFor();
  });

  await t.test('watches it empty, live', async (t) => {
    await until('the page is live', async () => (await page.getByRole('status').textContent()) === 'Live');
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => buy(index)));
    t.equal(answers.filter(({ status }) => status === 201).length, 40);
    await until('it has seen the end', async () => (await card('Available').textContent()) === '0');
    t.equal(await card('Held').textContent(), '40');
    await page.locator('figure canvas').waitFor();
    t.same(await findBarriers(page), []);
  });

  await t.test('pauses, resumes and restocks, and is asked before', async (t) => {
    await button('Pause').first().click();
    await page.getByLabel('Reason').fill('a look');
    t.same(await findBarriers(page), []);
    await page.keyboard.press('Escape');
    t.equal(await card('State').textContent(), 'open', 'Escape changes nothing');
    await button('Pause').first().click();
    await page.getByLabel('Reason').fill('a look');
    await confirm();
    await until('it is paused', async () => (await card('State').textContent()) === 'paused');
    t.match(await buy(100), { status: 409, body: { code: 'sale_paused' } });
    await page.getByRole('cell', { name: 'a look' }).waitFor();
    await button('Resume').first().click();
    await confirm();
    await until('it is open', async () => (await card('State').textContent()) === 'open');
    await button('Restock').click();
    await page.getByLabel('Quantity').fill('5');
    await confirm();
    await until('five are there', async () => (await card('Available').textContent()) === '5');
    t.equal((await buy(100)).status, 201);
  });

  await t.test('finds an order and cancels it', async () => {
    const { body } = await buy(101);
    await page.getByRole('link', { name: 'Order' }).click();
    await page.getByLabel("Order's id").fill(String(body['id']));
    await button('Find').click();
    await page.getByRole('cell', { name: 'buyer-101' }).waitFor();
    await button('Cancel the order').click();
    await page.getByLabel('Reason').fill('asked by phone');
    await confirm();
    await page.getByRole('cell', { name: 'cancelled', exact: true }).waitFor();
  });

  await t.test('in Chinese, in the dark and on a phone', async (t) => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    await button('中文').click();
    await page.getByRole('link', { name: '场次', exact: true }).click();
    await page.getByRole('link', { name: '芒果 (console-sale)' }).click();
    await page.getByRole('heading', { name: '不变量' }).waitFor();
    await until('实时', async () => (await page.getByRole('status').textContent()) === '实时');
    t.same(await findBarriers(page), []);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    t.ok(Number(width) <= 360, `${String(width)} px: only tables scroll sideways`);
  });

  await t.test('the token is in no address and no storage, and a reload forgets it', async (t) => {
    t.notOk(asked.some((url) => url.includes(token.slice(0, 40))));
    t.ok(asked.every((url) => url.startsWith(client.stack.info.gateway)));
    t.equal(await page.evaluate('localStorage.length + sessionStorage.length'), 0);
    t.same(await context.cookies(), []);
    await page.reload();
    await page.getByLabel('运营令牌').or(page.getByLabel("Operator's token")).waitFor();
    t.same(complaints, [], 'the browser had nothing to complain of, the policy of contents included');
  });
});
