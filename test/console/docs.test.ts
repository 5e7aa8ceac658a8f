// Goal: whoever opens /docs in a browser reads the contract and tries calls of it, and the page breaks no
// rule of its policy and asks nobody but the gateway it came from.
// Method: a real browser on a whole system; a buyer signs in at the page, reads, reserves and is refused.
import t from 'tap';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { buildStack, createSale, itemOf, oneItem } from '../support/stack.ts';

const program = await findBrowser(t);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('the contract is read and tried in a browser', { skip }, async (t) => {
  const client = await buildStack(t, 'docs');
  await createSale(client, 'docs-sale', { items: [oneItem(3)] });
  const { gateway } = client.stack.info;
  const browser = await startBrowser(t, program ?? '');
  const page = await browser.newPage({ locale: 'en-GB', viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => {
    // An answer that is no 2xx is an error to the browser alone.
    const isAnswer = /status of 4\d\d/.test(message.text());
    if (message.type() === 'error' && !isAnswer) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  const call = (id: string) => page.locator(`.opblock[id$="-${id}"]`);
  /** Opens a call and sends it. @returns the status and the body that the page shows. */
  const tryOut = async (id: string, parameters: Record<string, string>, body?: unknown) => {
    const one = call(id);
    await one.locator('.opblock-summary-control').click();
    await one.getByRole('button', { name: 'Try it out' }).click();
    for (const [name, value] of Object.entries(parameters)) {
      await one.locator(`tr[data-param-name="${name}"] input`).fill(value);
    }
    if (body !== undefined) await one.locator('textarea.body-param__text').fill(JSON.stringify(body));
    return send(id);
  };
  const send = async (id: string) => {
    const answered = page.waitForResponse((one) => one.url().includes('/v1/'));
    await call(id).getByRole('button', { name: 'Execute' }).click();
    const status = (await answered).status();
    const shown = call(id).locator('.live-responses-table tbody');
    await shown.locator('.response-col_status', { hasText: String(status) }).waitFor();
    return { status, text: (await shown.locator('.response-col_description').textContent()) ?? '' };
  };

  await page.goto(`${gateway}/docs`);
  await page.getByRole('heading', { name: /^Seckill/ }).waitFor();
  const read = await tryOut('getSale', { saleId: 'docs-sale' });
  t.equal(read.status, 200);
  t.match(read.text, /"available": 3/);

  const lines = [{ sku: 'a', quantity: 2 }];
  const place = { saleId: 'docs-sale', 'Idempotency-Key': 'from-the-page' };
  const stranger = await tryOut('reserve', place, { lines });
  t.equal(stranger.status, 401);
  t.match(stranger.text, /"code": "unauthenticated"/);
  await page.getByRole('button', { name: 'Authorize', exact: true }).first().click();
  await page.locator('.auth-container input').fill(await client.token('reader'));
  await page.getByRole('button', { name: 'Apply credentials' }).click();
  await page.locator('.auth-btn-wrapper .btn-done').click();
  const bought = await send('reserve');
  t.equal(bought.status, 201);
  t.match(bought.text, /"userId": "reader"/);
  t.match(await itemOf(client, 'docs-sale'), { available: 1, held: 2 });

  t.ok(asked.length > 5);
  t.same(
    asked.filter((url) => !url.startsWith(`${gateway}/`) && !url.startsWith('data:')),
    [],
  );
  t.same(complaints, [], 'no rule of its policy is broken');
});
