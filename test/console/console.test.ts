// Goal: an operator holds a sale in the console: creates it, watches the demo's crowd empty it, pauses,
// resumes, restocks, takes units out, edits and steers it beside a colleague, sees who waits and what is on
// its way, cancels an order. Everybody can use the page, and it keeps the token to itself.
// Method: a real browser on the whole system, while the demo's crowd buys over HTTP.
import t from 'tap';
import { untilWithin } from '@seckill/testing';
import { createSale, until } from '../support/stack.ts';
import { findBarriers, findBrowser } from '../support/browser.ts';
import { openConsole, ratesSeen, startCrowd, watchRates, type Desk } from './support.ts';

interface Sold {
  units: { pending: number; paid: number };
  returned: number;
  amountPaid: { amount: number };
  commissionBase: { amount: number };
}
interface Report {
  totals: Sold;
  channels: Sold[];
  direct: Sold;
  partners: Sold[];
}

const program = await findBrowser(t);
/** What is read anew each 10 s, on a machine that does other work. */
const untilShown = untilWithin(40_000);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('an operator holds a sale in the console', { skip }, async (t) => {
  const desk = await openConsole(t, 'console', program ?? '');
  const { client, context, page, complaints, asked, button, card, confirm, token } = desk;
  const sale = {
    id: 'console-sale',
    title: { en: 'Mangoes', zh: '芒果' },
    closesAt: new Date(Date.now() + 600_000).toISOString(),
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 40 }],
    channels: [{ id: 'xhs', kind: 'content' as const, title: '小红书', cap: 30, partnerId: 'p-7' }],
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
    await watchRates(page);
    const crowd = startCrowd(desk, { sale, buyers: 160, seed: 7, waitMs: 1_500 });
    await until('it has seen the end', async () => {
      return (await card('Available').textContent()) === '0';
    });
    await until('both had a rate', async () => {
      const { accepted = 0, 'Sold out': soldOut = 0 } = await ratesSeen(page);
      return accepted > 0 && soldOut > 0;
    });
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
    const { body } = await client.send({ path: '/v1/sales/console-sale/outcomes', token });
    const counted = body['outcomes'] as Record<string, number>;
    await until('what was answered in all is the gateway’s count, and nothing is answered now', async () => {
      const shown = new Map((await desk.rows('Answers a second')).map(([what, ...counts]) => [what, counts]));
      return (
        shown.get('accepted')?.join() === `0.0,${counted['reserved'] ?? 0}` &&
        shown.get('Sold out')?.join() === `0.0,${counted['sold_out'] ?? 0}`
      );
    });
    const seen = await ratesSeen(page);
    // Counts are read each two seconds.
    t.ok((seen['accepted'] ?? 0) <= (counted['reserved'] ?? 0), `${seen['accepted']} accepted a second`);
    await page.locator('figure canvas').waitFor();
    t.same(await findBarriers(page), []);
  });

  await t.test('the board has the figures of the report', async (t) => {
    await untilShown('they are equal', async () => {
      await button('Refresh').click();
      const { body } = await client.send({ path: '/v1/sales/console-sale/report', token });
      const { totals, channels, direct, partners } = body as unknown as Report;
      const yuan = (fen: number) => `CN¥${(fen / 100).toFixed(2)}`;
      const cells = ({ units, returned, amountPaid, commissionBase }: Sold) => [
        ...[units.pending, units.paid, returned].map(String),
        ...[amountPaid, commissionBase].map(({ amount }) => yuan(amount)),
      ];
      const wanted = [
        ...channels.map((one) => ['小红书 (xhs)', 'content', 'p-7', '30', ...cells(one)]),
        ['No channel', '', '', '', ...cells(direct)],
      ];
      const paid = await card('Paid money').textContent();
      return (
        JSON.stringify(await desk.rows('Channels')) === JSON.stringify(wanted) &&
        JSON.stringify(await desk.rows('Partner')) ===
          JSON.stringify(partners.map((one) => ['p-7', 'xhs', ...cells(one)])) &&
        paid === yuan(totals.amountPaid.amount) &&
        totals.units.paid > 0 &&
        channels[0]?.units.paid !== 0
      );
    });
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
    t.match((await desk.rows('What'))[0]?.[1], /\d\d:\d\d:\d\d/, 'and since when');
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
    await untilShown('it says which item', async () =>
      (await desk.rows('What')).some(([what]) => what === 'An operator has paused these items.a'),
    );
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
    await page.getByRole('cell', { name: 'units taken out' }).waitFor();
    await page.getByRole('cell', { name: 'spoilt' }).waitFor();
    const { body } = await client.send({ path: '/v1/sales/console-sale', token });
    t.match(body['items'], [{ total: 43, available: 2 }]);
  });

  await t.test('of two who steer at once, the second is told, and nothing is overwritten', async (t) => {
    const colleague = await desk.beside();
    await colleague.signIn();
    await colleague.link('Mangoes (console-sale)').click();
    await colleague.page.getByRole('heading', { name: 'Mangoes' }).waitFor();
    const act = async (at: Desk, name: string, fields: Record<string, string> = {}) => {
      await at.button(name).first().click();
      for (const [label, value] of Object.entries(fields)) await at.page.getByLabel(label).fill(value);
    };
    const saleNow = async () => (await client.send({ path: '/v1/sales/console-sale', token })).body;
    const steps = [
      ['Restock', { Quantity: '3' }],
      ['Take units out', { Quantity: '1' }],
      ['Pause', {}],
      ['Close for ever', {}],
    ] as const;
    for (const [name, fields] of steps) {
      await act(desk, name, fields);
      // Meanwhile the colleague takes another decision.
      await act(colleague, 'Restock', { Quantity: '1', Reason: `before ${name}` });
      await colleague.confirm();
      const before = await saleNow();
      await button('Do it').click();
      await page.getByRole('alert').filter({ hasText: 'Somebody else changed the sale since' }).waitFor();
      t.same(await findBarriers(page), []);
      const { version, state } = await saleNow();
      t.match({ version, state }, { version: before['version'], state: 'open' }, name);
      await button('Cancel').click();
      await page.getByRole('cell', { name: `before ${name}` }).waitFor();
    }
    // Whoever has seen it may decide.
    const { version } = await saleNow();
    await act(desk, 'Pause');
    await confirm();
    await until(
      'the colleague sees it',
      async () => (await colleague.card('State').textContent()) === 'paused',
    );
    await act(colleague, 'Resume');
    await colleague.confirm();
    t.match(await saleNow(), { state: 'open', version: Number(version) + 2 });
    await colleague.page.close();
  });

  await t.test('sees who holds units, the oldest first, for how long and until when', async (t) => {
    for (const index of [102, 103]) t.equal((await buy(index)).status, 201);
    const list = '/v1/sales/console-sale/orders?status=pending&sort=oldest&limit=100';
    await untilShown('both are the last of those who wait', async () => {
      const { body } = await client.send({ path: list, token });
      const waiting = body['data'] as { id: string; userId: string }[];
      const shown = await desk.rows('Holds');
      return (
        waiting.at(-1)?.userId === 'buyer-103' &&
        shown.map(([id]) => id).join() === waiting.map(({ id }) => id).join()
      );
    });
    const { body } = await client.send({ path: list, token });
    const waiting = body['data'] as { reservedAt: string; userId: string; lines: { quantity: number }[] }[];
    const shown = await desk.rows('Holds');
    t.ok(shown.length >= 3, 'with the one from before');
    const secondsOf = (text = '') => {
      const [, minutes = '0', seconds = ''] = /^(?:(\d+) min )?(\d+) s$/.exec(text) ?? [];
      return 60 * Number(minutes) + Number(seconds || NaN);
    };
    for (const [index, [, user, units, age, endsIn]] of shown.entries()) {
      t.equal(user, waiting[index]?.userId);
      t.equal(units, String(waiting[index]?.lines.reduce((sum, { quantity }) => sum + quantity, 0)));
      t.ok(Math.abs(secondsOf(age) + secondsOf(endsIn) - 900) <= 1, `${age} of 900 s, ends in ${endsIn}`);
      const isOldBy = (Date.now() - Date.parse(waiting[index]?.reservedAt ?? '')) / 1_000;
      // The list was read within the last ten seconds, or a busy machine let it wait.
      t.ok(secondsOf(age) <= isOldBy + 1 && secondsOf(age) >= isOldBy - 40, `${age}, and now ${isOldBy} s`);
    }
  });

  await t.test('sees how far orders lag, and that every invariant holds', async (t) => {
    const { stack } = client;
    const lags = {
      'Wait for Kafka': '0',
      'Not stored yet': '0',
      'Settlements wait': '0',
      'Dead letters': '0',
    };
    const shown = async () => {
      const cards = Object.keys(lags).map(async (name) => [name, await card(name).textContent()]);
      return Object.fromEntries(await Promise.all(cards)) as Record<string, string>;
    };
    const verdicts = async () => (await desk.rows('Invariants')).map(([, verdict]) => verdict);
    await untilShown(
      'nothing is on its way',
      async () => JSON.stringify(await shown()) === JSON.stringify(lags),
    );
    await untilShown('all hold', async () => (await verdicts()).join() === Array(6).fill('holds').join());
    t.match((await desk.rows('Invariants'))[0]?.[0], 'INV-1 never oversold');
    // Without its relay, what is reserved stays in Redis.
    await stack.restart('stock', { ROLES: 'http,settler,audit' });
    await until('it sells', async () => (await buy(104)).status === 201);
    await untilShown('one waits', async () => (await shown())['Wait for Kafka'] === '1');
    await untilShown('and so it is told, with what to do', async () =>
      (await desk.rows('What')).some(
        ([what, since, , advice]) =>
          /^1 reservations wait for Kafka/.test(what ?? '') &&
          /\d\d:\d\d:\d\d/.test(since ?? '') &&
          /role relay/.test(advice ?? ''),
      ),
    );
    t.ok((await verdicts()).includes('in flight'));
    await stack.restart('stock');
    await untilShown('it is stored', async () => (await shown())['Wait for Kafka'] === '0');
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
    // No code of the API is shown where there are words for it.
    await page.getByRole('region', { name: '每秒应答' }).getByRole('cell', { name: '已售罄' }).waitFor();
    await page.getByRole('region', { name: '变更记录' }).getByRole('cell', { name: '调减' }).waitFor();
    await page.getByRole('region', { name: '不变量' }).getByText('绝不超卖').waitFor();
    for (const name of ['每秒应答', '变更记录', '渠道', '不变量']) {
      t.notMatch((await desk.rows(name)).join(), /[a-z]_[a-z]|\bcontent\b/, `${name}: no code is left`);
    }
    t.same(await findBarriers(page), []);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    t.ok(Number(width) <= 360, `${String(width)} px: only tables scroll sideways`);
  });

  await t.test('lists every sale, a hundred at a time', async (t) => {
    const names = Array.from({ length: 101 }, (_, index) => `console-many-${index}`);
    for (let start = 0; start < names.length; start += 10) {
      await Promise.all(names.slice(start, start + 10).map((name) => createSale(client, name)));
    }
    await page.getByRole('link', { name: '场次', exact: true }).click();
    await button('更多').click();
    await until('all are there', async () => (await desk.rows('场次')).length === 102);
    t.equal(await button('更多').count(), 0, 'and there are no more');
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
