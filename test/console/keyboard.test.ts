// Goal: whoever has no mouse, and whoever has a phone, uses every screen of the console. By keyboard: the
// order is the one on the screen, the focus is always seen and never lost, no place holds it, dialogs take
// it and give it back. On a phone and a wide screen, in the dark and in the light, axe-core finds nothing
// on any screen, in both languages. Nothing of it needs https. Method: a real browser on the whole system;
// Tab, Enter, arrows and Escape alone.
import { randomUUID } from 'node:crypto';
import { TOPICS } from '@seckill/contracts';
import { createKafka } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t from 'tap';
import { createSale, until } from '../support/stack.ts';
import { findBarriers, findBrowser } from '../support/browser.ts';
import { sendNotice } from '../support/notices.ts';
import { openConsole } from './support.ts';

const program = await findBrowser(t);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('every screen by keyboard, and on a phone', { skip }, async (t) => {
  const desk = await openConsole(t, 'console-keys', program ?? '');
  const { client, page, token } = desk;
  // As on a page of plain http by the address of another machine.
  await desk.context.addInitScript('delete Crypto.prototype.randomUUID');
  await createSale(client, 'keys', {
    channels: [{ id: 'north', kind: 'community', title: 'North', partnerId: 'p-1' }],
  });
  const buyer = await client.token('buyer-1');
  const { body: order } = await client.send({
    method: 'POST',
    path: '/v1/sales/keys/reservations',
    token: buyer,
    key: 'k',
    body: { lines: [{ sku: 'a', quantity: 1 }], channelId: 'north' },
  });
  const id = String(order['id']);
  // The provider pays, pays again, and says something that is not understood.
  for (const amount of [order['amount'], order['amount'], 'much']) {
    const data = { orderId: id, paymentId: randomUUID(), amount };
    await sendNotice(client, { type: 'payment.succeeded', timestamp: new Date().toISOString(), data });
  }
  const kafka = createKafka({ brokers: client.stack.info.kafka.split(',') }, 'console-keys', silent);
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: TOPICS.settlements.name, messages: [{ key: 'odd', value: 'junk' }] });
  await producer.disconnect();
  const has = async (path: string) =>
    ((await client.send({ path, token })).body['data'] as unknown[] | undefined)?.length === 1;
  for (const path of ['/v1/refunds?state=due', '/v1/notices?state=kept', '/v1/dead-letters']) {
    await until(path, () => has(path));
  }

  /** The screens by the part of the address behind `#/`, with what shows that they are there. */
  const screens: [string, string][] = [
    ['sales', 'a[href="#/sales/keys"]'],
    ['create', 'textarea'],
    ['order', '#pickup-code'],
    ['handout', '#code'],
    ['refunds', 'td button'],
    ['notices', 'td button'],
    ['letters', 'td button'],
    ['sales/keys', 'figure canvas'],
    ['edit/keys', 'textarea'],
    [`order/${id}`, 'td'],
  ];
  await desk.signIn();
  t.equal(await page.evaluate('typeof crypto.randomUUID'), 'undefined');
  const go = async ([place, seen]: [string, string]) => {
    await page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`);
    await page.locator(`main ${seen}`).first().waitFor();
    if (place !== 'sales/keys') return;
    for (const name of [
      'What sells and what does not',
      'Holds',
      'Answers a second',
      'Invariants',
      'Changes',
    ]) {
      await page.locator('section', { hasText: name }).first().waitFor();
    }
    await page.getByText('INV-1').waitFor();
    await page.getByRole('cell', { name: 'p-1' }).first().waitFor();
  };

  interface Stop {
    name: string;
    index: number;
    isSeen: boolean;
    isMarked: boolean;
  }
  /** What has the focus: which of all that can have it, whether it is on the screen, and whether it shows. */
  const stop = (): Promise<Stop> =>
    page.evaluate(`(() => {
      const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
      const at = document.activeElement;
      const box = at.getBoundingClientRect();
      const style = getComputedStyle(at);
      return {
        name: at.tagName + ' ' + (at.getAttribute('aria-label') ?? at.textContent ?? '').slice(0, 40),
        index: all.indexOf(at),
        isSeen: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      };
    })()`);
  const name = async () => (await stop()).name;

  for (const screen of screens) {
    await t.test(`Tab goes through ${screen[0].replace(id, ':id')}`, async (t) => {
      await go(screen);
      // Nothing that is read anew comes or goes meanwhile.
      const count = await page.evaluate<number>(
        `document.querySelectorAll('main :is(a[href], button, input, select, textarea, summary, [tabindex="0"])').length`,
      );
      t.match(await name(), /^MAIN/, 'another screen has the focus at its beginning');
      const stops: Stop[] = [];
      for (let index = 0; index < count; index += 1) {
        await page.keyboard.press('Tab');
        stops.push(await stop());
      }
      const places = stops.map(({ index }) => index);
      t.same(
        places,
        [...places].sort((a, b) => a - b),
        'in the order of the screen',
      );
      t.equal(new Set(places).size, count, 'each once, and none holds it');
      t.same(
        stops.filter(({ isSeen, isMarked }) => !isSeen || !isMarked),
        [],
        'each is seen',
      );
      await page.keyboard.press('Shift+Tab');
      t.equal((await stop()).index, places.at(-2) ?? (await stop()).index, 'and back');
    });
  }

  await t.test('the first stop leads past the links', async (t) => {
    await go(['sales', 'table']);
    await page.reload();
    await page.keyboard.press('Tab');
    t.equal(await name(), 'A To the content');
    t.ok((await stop()).isSeen);
    await page.keyboard.press('Enter');
    t.match(await name(), /^MAIN/);
    await page.keyboard.press('Tab');
    t.match(await name(), /^INPUT/, 'the token is asked for');
    await page.keyboard.insertText(token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sales' }).waitFor();
    t.match(await name(), /^MAIN/, 'signed in');
    t.equal(await page.getByRole('link', { name: 'Sales' }).getAttribute('aria-current'), 'page');
    t.equal(await page.title(), 'Sales · Seckill console');
  });

  /** Each button that asks first, by screen and part. */
  const dialogs: [[string, string], string, string[]][] = [
    [screens[7] ?? ['', ''], 'main', ['Pause', 'Resume', 'Close for ever']],
    [screens[7] ?? ['', ''], '[aria-label=Items]', ['Restock', 'Take units out', 'Pause']],
    [screens[4] ?? ['', ''], 'main', ['Mark as given back']],
    [screens[5] ?? ['', ''], 'main', ['Replay']],
    [screens[6] ?? ['', ''], 'main', ['Replay']],
  ];
  for (const [screen, within, names] of dialogs) {
    for (const label of names) {
      await t.test(`${screen[0]}: the dialog of "${label}" takes the focus and gives it back`, async (t) => {
        await go(screen);
        await page.locator(within).first().getByRole('button', { name: label, exact: true }).first().focus();
        const before = await name();
        for (const leave of ['Escape', 'Cancel']) {
          await page.keyboard.press('Enter');
          await page.getByRole('dialog').waitFor();
          t.same(await findBarriers(page), []);
          const stops = new Set<string>();
          for (let index = 0; index < 8; index += 1) {
            stops.add(
              await page.evaluate(
                `document.activeElement.closest('dialog') === null ? document.activeElement.tagName : 'dialog'`,
              ),
            );
            await page.keyboard.press('Tab');
          }
          t.notOk(
            [...stops].some((one) => one !== 'dialog' && one !== 'BODY'),
            `nothing behind it is reached: ${[...stops].join()}`,
          );
          // The sale goes on behind it: its tables are shown anew.
          if (screen[0] === 'sales/keys') await page.waitForTimeout(600);
          if (leave === 'Cancel') await page.getByRole('button', { name: leave, exact: true }).focus();
          await page.keyboard.press(leave === 'Cancel' ? 'Enter' : leave);
          await page.getByRole('dialog').waitFor({ state: 'detached' });
          t.equal(await name(), before, leave);
        }
      });
    }
  }

  await t.test('Enter in a field confirms, arrows choose, and the focus stays on the page', async (t) => {
    await go(screens[7] ?? ['', '']);
    await page.locator('[aria-label=Items]').getByRole('button', { name: 'Restock' }).first().focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    t.equal(await name(), 'BUTTON Restock');
    const { body } = await client.send({ path: '/v1/sales/keys', token });
    t.match(body['items'], [{ total: 12 }, { total: 5 }], 'an arrow made one unit two');

    await go(screens[4] ?? ['', '']);
    await page.getByRole('button', { name: 'Mark as given back' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    t.ok(await page.getByRole('dialog').isVisible(), 'not without a reference');
    await page.keyboard.insertText('re_1');
    await page.keyboard.press('Enter');
    await page.getByText('None', { exact: true }).waitFor();
    t.match(await name(), /^MAIN/, 'the row is gone, and the focus is on the screen');
    await page.getByLabel('State').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('re_1').waitFor();

    await page.getByRole('button', { name: '中文' }).focus();
    await page.keyboard.press('Enter');
    t.equal(await name(), 'BUTTON English', 'the language is changed, and can be changed back');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Sign out' }).focus();
    await page.keyboard.press('Enter');
    t.match(await name(), /^INPUT/);
    await page.keyboard.insertText(token);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  });

  for (const language of ['English', '中文']) {
    if (language === '中文') await page.getByRole('button', { name: language, exact: true }).click();
    for (const [colorScheme, width] of [
      ['light', 1200],
      ['dark', 1200],
      ['light', 360],
      ['dark', 360],
    ] as const) {
      await t.test(`nothing is in the way: ${language}, ${colorScheme}, ${width} px`, async (t) => {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 740 });
        for (const [place, seen] of screens) {
          await page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`);
          await page
            .locator(`main ${place === 'refunds' ? 'p' : seen}`)
            .first()
            .waitFor();
          if (place === 'sales/keys') await page.getByText('INV-1').waitFor();
          t.same(await findBarriers(page), [], place);
          const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
          t.ok(wide <= width, `${place}: ${wide} px`);
        }
      });
    }
  }
  t.same(desk.complaints, []);
});
