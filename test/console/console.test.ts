// Goal: an operator holds a sale in the console: creates it, watches the demo's crowd empty it, pauses,
// resumes, restocks, takes units out, edits it beside a colleague, cancels an order. Everybody can use the
// page, and it keeps the token to itself.
// Method: a real browser on the whole system, while the demo's crowd buys over HTTP.
import t from 'tap';
import { until } from '../support/stack.ts';
import { findBarriers, findBrowser } from '../support/browser.ts';
import { openConsole, startCrowd } from './support.ts';

const program = await findBrowser(t);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('an operator holds a sale in the console', { skip }, async (t) => {
  const desk = await openConsole(t, 'console', program ?? '');
  const { client, context, page, complaints, asked, button, card, confirm, token } = desk;
  const sale = {
    id: 'console-sale',
    title: { en: 'Mangoes', zh: '芒果' },
    closesAt: new Date(Date.now() + 600_000).toISOString(),
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 40 }],
    channels: [{ id: 'xhs', kind: 'content' as const, title: '小红书', cap: 30 }],
  };
  const buy = async (index: number) =>
    client.send({
      method: 'POST',
      path: '/v1/sales/console-sale/reservations',
      token: await client.token(`buyer-${index}`),
      key: 'k',
      body: { lines: [{ sku: 'a', quantity: 1 }] },
    });

  await t.test('only an operator gets in', async (t) => {
    await desk.open();
    t.same(await findBarriers(page), []);
    await page.getByLabel("Operator's token").fill(await client.token('somebody'));
    await button('Sign in').click();
    await page.getByRole('alert').filter({ hasText: 'sale:admin' }).waitFor();
    await desk.signIn();
    t.same(await findBarriers(page), []);
  });

  await t.test('creates a sale; a mistake is told in the words of the API', async (t) => {
    await page.getByRole('link', { name: 'New sale' }).click();
    const text = page.getByLabel('The sale, as the API takes it');
    await text.fill(JSON.stringify({ ...sale, holdSeconds: 0 }));
    await button('Create').click();
    await page.getByRole('alert').filter({ hasText: 'holdSeconds' }).waitFor();
    t.same(await findBarriers(page), []);
    await text.fill(JSON.stringify(sale));
    await button('Create').click();
    await page.getByRole('heading', { name: 'Mangoes' }).waitFor();
    await page.getByRole('cell', { name: '小红书 (xhs)' }).waitFor();
    await page.getByText('INV-1').waitFor();
  });

  await t.test('watches the crowd of the demo empty it, live', async (t) => {
    await until('the page is live', async () => (await page.getByRole('status').textContent()) === 'Live');
    const seen = new Set<string>();
    const crowd = startCrowd(desk, { sale, buyers: 160, seed: 7, waitMs: 1_500 });
    await until('it has seen the end', async () => {
      const left = (await card('Available').textContent()) ?? '';
      seen.add(left);
      return left === '0';
    });
    await page.getByRole('cell', { name: 'accepted' }).waitFor();
    await page.getByRole('cell', { name: 'sold_out' }).waitFor();
    await crowd.leave();
    // Who cancelled at the end left units that nobody wanted any more.
    for (let index = 200; (await buy(index)).status === 201; index += 1) t.ok(index < 240);
    await until('it is empty again', async () => (await card('Available').textContent()) === '0');
    const told = await client.send({ path: '/v1/sales/console-sale', token });
    const [item] = told.body['items'] as { held: number; paid: number }[];
    await until('held and paid are the API’s', async () => {
      const shown = [await card('Held').textContent(), await card('Paid').textContent()];
      return shown.join() === [item?.held, item?.paid].join();
    });
    await page.locator('figure canvas').waitFor();
    await page.getByRole('region', { name: 'Holds' }).waitFor();
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
    await page.getByRole('region', { name: 'Changes' }).getByRole('cell', { name: 'a look' }).waitFor();
    // The console says so in words, and who did it and why.
    await page.getByText('It does not sell.').waitFor();
    const reasons = page.getByRole('region', { name: 'What', exact: true });
    await reasons.getByText('operator · a look').waitFor();
    t.same(await findBarriers(page), []);
    await button('Resume').first().click();
    await confirm();
    await until('it is open', async () => (await card('State').textContent()) === 'open');
    await page.getByRole('region', { name: 'Items' }).getByRole('button', { name: 'Pause' }).click();
    await confirm();
    await until('the item is paused', async () => {
      const answer = await buy(100);
      return answer.body['code'] === 'item_paused';
    });
    await page.getByRole('region', { name: 'Items' }).getByRole('button', { name: 'Resume' }).click();
    await confirm();
    await button('Restock').click();
    await page.getByLabel('Quantity').fill('5');
    await confirm();
    await until('five are there', async () => (await card('Available').textContent()) === '5');
    t.equal((await buy(100)).status, 201);
  });

  await t.test('takes units out, with a reason', async (t) => {
    await button('Take units out').click();
    await page.getByLabel('Quantity').fill('2');
    await page.getByLabel('Reason').fill('spoilt');
    t.same(await findBarriers(page), []);
    await confirm();
    await until('two are gone', async () => (await card('Available').textContent()) === '2');
    await page.getByRole('cell', { name: 'spoilt' }).waitFor();
    const { body } = await client.send({ path: '/v1/sales/console-sale', token });
    t.match(body['items'], [{ total: 43, available: 2 }]);
  });

  await t.test('edits it, and is told of a colleague who did so meanwhile', async (t) => {
    await desk.link('Edit').click();
    const text = page.getByLabel('The sale, as the API takes it');
    const edit = async (change: Record<string, unknown>) => {
      const now = JSON.parse(await text.inputValue()) as object;
      await text.fill(JSON.stringify({ ...now, ...change }));
      await button('Save').click();
    };
    await edit({ holdSeconds: 0 });
    await page.getByRole('alert').filter({ hasText: 'holdSeconds' }).waitFor();
    t.same(await findBarriers(page), []);
    const colleague = await client.send({
      method: 'PATCH',
      path: '/v1/sales/console-sale',
      token: await client.token('colleague', true),
      body: { limitPerBuyer: 7 },
    });
    t.equal(colleague.status, 200, colleague.text);
    await edit({ holdSeconds: 600 });
    await page.getByRole('alert').filter({ hasText: 'Somebody else changed the sale' }).waitFor();
    const untouched = await client.send({ path: '/v1/sales/console-sale', token });
    t.match(untouched.body, { holdSeconds: 900, limitPerBuyer: 7 });
    await button('Load anew').click();
    await until('what the colleague did is there', async () => (await text.inputValue()).includes(': 7'));
    await edit({
      title: { en: 'Late mangoes', zh: '芒果' },
      channels: [...sale.channels, { id: 'group', kind: 'community', title: '幸福里' }],
    });
    await page.getByRole('heading', { name: 'Late mangoes' }).waitFor();
    await page.getByRole('cell', { name: '幸福里 (group)' }).waitFor();
    const { body } = await client.send({ path: '/v1/sales/console-sale', token });
    t.match(body, { holdSeconds: 900, limitPerBuyer: 7, title: { en: 'Late mangoes' } });
  });

  await t.test('finds an order and cancels it', async () => {
    const { body } = await buy(101);
    await desk.link('Order').click();
    await page.getByLabel("Order's id").fill(String(body['id']));
    await button('Find').click();
    await page.getByRole('cell', { name: 'buyer-101' }).waitFor();
    await button('Cancel the order').click();
    await page.getByLabel('Reason').fill('asked by phone');
    await confirm();
    await page.getByRole('region', { name: 'What happened' }).getByText('cancelled').waitFor();
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
