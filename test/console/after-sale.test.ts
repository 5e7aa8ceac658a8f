// Goal: an operator does in the console what is left after a sale: finds an order by its buyer and by its
// pick-up code, hands it out once, marks a refund as done, replays a notice and a dead letter.
// Method: a real browser on the whole system; money, notice and letter come as they do in life.
import { randomUUID } from 'node:crypto';
import { TOPICS } from '@seckill/contracts';
import { createKafka } from '@seckill/runtime';
import { silent } from '@seckill/testing';
import t from 'tap';
import { createSale, until, type Answer } from '../support/stack.ts';
import { sendNotice } from '../support/notices.ts';
import { findBarriers, findBrowser } from '../support/browser.ts';
import { openConsole } from './support.ts';

const program = await findBrowser(t);
const skip = program === undefined ? 'no Chromium here, and none can be installed' : false;

await t.test('an operator does what is left after a sale', { skip }, async (t) => {
  const desk = await openConsole(t, 'console-after', program ?? '');
  const { client, page, button, confirm, token } = desk;
  const { info } = client.stack;
  await createSale(client, 'after', { title: 'After' });

  const buyer = await client.token('buyer-1');
  const reserved = await client.send({
    method: 'POST',
    path: '/v1/sales/after/reservations',
    token: buyer,
    key: 'k',
    body: { lines: [{ sku: 'a', quantity: 2 }] },
  });
  const order = reserved.body as { id: string; amount: { amount: number; currency: string } };
  t.equal(reserved.status, 201, reserved.text);
  const notify = (amount: unknown): Promise<Answer> => {
    const data = { orderId: order.id, paymentId: randomUUID(), amount };
    return sendNotice(client, { type: 'payment.succeeded', timestamp: new Date().toISOString(), data });
  };
  // The first one pays the order, the second one is too much, the third one is not understood.
  t.match((await notify(order.amount)).body, { result: /paid|recorded/ });
  t.match((await notify(order.amount)).body, { result: /refund_due|recorded/ });
  t.match((await notify('much')).body, { result: 'kept' });
  const orderNow = async () => (await client.send({ path: `/v1/orders/${order.id}`, token })).body;
  await until('it is paid, and money is due', async () => {
    const { status, refundDue } = await orderNow();
    return status === 'paid' && refundDue !== undefined;
  });
  const code = String((await orderNow())['pickupCode']);
  await desk.signIn();
  const { region } = desk;

  await t.test('finds an order by its buyer and by its pick-up code, and reads its story', async (t) => {
    await desk.link('Order').click();
    await page.getByLabel("User's id").fill('buyer-1');
    await button('Search').click();
    await region('Orders').getByRole('link', { name: order.id }).waitFor();
    t.match(await desk.rows('Orders'), [[order.id, 'after', 'Paid', 'buyer-1', '2']], 'over all sales');
    await page.getByLabel('Pick-up code').fill(code);
    await button('Search').click();
    await page.getByRole('alert').filter({ hasText: 'a pick-up code is one of a sale' }).waitFor();
    await page.getByLabel('Pick-up code').fill('');
    await page.getByLabel("Sale's id").fill('after');
    await page.getByLabel("User's id").fill('nobody');
    await button('Search').click();
    await page.getByText('None', { exact: true }).waitFor();
    await page.getByLabel("User's id").fill('buyer-1');
    await button('Search').click();
    await region('Orders').getByRole('link', { name: order.id }).waitFor();
    await page.getByLabel("User's id").fill('');
    await page.getByLabel('Pick-up code').fill(code);
    await button('Search').click();
    t.same(await findBarriers(page), []);
    await region('Orders').getByRole('link', { name: order.id }).click();
    const story = page.getByRole('region', { name: 'What happened' });
    await story.getByText('due for refund · second payment').waitFor();
    t.equal(await story.getByRole('row').count(), 5, 'head, reserved, two payments, paid');
    t.same(await findBarriers(page), []);
  });

  await t.test('hands it out once', async (t) => {
    await desk.link('Hand-out').click();
    const hand = async () => {
      await page.getByLabel("Sale's id").fill('after');
      await page.getByLabel('Pick-up code').fill(code);
      await button('Hand out').click();
    };
    await hand();
    await page.getByRole('status').filter({ hasText: '2 × a' }).waitFor();
    t.same(await findBarriers(page), []);
    t.type((await orderNow())['pickedUpAt'], 'string');
    await hand();
    await page.getByRole('alert').filter({ hasText: 'handed out already' }).waitFor();
  });

  await t.test('marks a refund as done, with the provider’s reference', async (t) => {
    await desk.link('Refunds').click();
    await region('Refunds').getByText('second payment').waitFor();
    await button('Mark as given back').click();
    t.same(await findBarriers(page), []);
    await button('Do it').click();
    t.ok(await page.getByRole('dialog').isVisible(), 'not without a reference');
    await page.getByLabel("The provider's name for the refund").fill('re_5512');
    await confirm();
    await page.getByText('None', { exact: true }).waitFor();
    await page.getByLabel('State').selectOption({ label: 'done' });
    await page.getByLabel("Sale's id").fill('after');
    await button('Search').click();
    await region('Refunds').getByText('re_5512').waitFor();
    t.equal((await orderNow())['refundDue'], undefined);
  });

  await t.test('sees what came back, on the board and in the explanation', async (t) => {
    for (const restock of [true, false]) {
      const back = await client.send({
        method: 'POST',
        path: `/v1/orders/${order.id}/returns`,
        token,
        key: `back-${String(restock)}`,
        body: { lines: [{ sku: 'a', quantity: 1 }], restock },
      });
      t.equal(back.status, 200, back.text);
    }
    await until('Redis knows', async () => {
      const { body } = await client.send({ path: '/v1/sales/after/explain', token });
      const [item] = body['items'] as { available: number }[];
      return item?.available === 9;
    });
    await desk.link('Sales').click();
    await desk.link('After (after)').click();
    const explained = 'What sells and what does not: Items';
    await region(explained).waitFor();
    // Two of ten units came back: one is for sale again, and one is gone for good.
    t.match(await desk.rows(explained), [['a', '10', '9', '0', '0', '1', '1']]);
    await region('Channels').waitFor();
    t.equal(await desk.card('Returned units').textContent(), '2');
    t.equal(await desk.card('Written off').textContent(), '1');
    t.match(await desk.rows('Channels'), [['No channel', '', '', '', '0', '2', '2', 'CN¥2.00', 'CN¥0.00']]);
    t.same(await findBarriers(page), []);
  });

  await t.test('reads a notice and replays it, and is told that it is still not understood', async (t) => {
    await desk.link('Notices').click();
    await region('Notices').getByRole('group').click();
    await region('Notices').getByText(`"amount":"much"`).waitFor();
    t.same(await findBarriers(page), []);
    await button('Replay').click();
    await button('Do it').click();
    await page.getByRole('alert').filter({ hasText: 'Notice still not understood' }).waitFor();
    await button('Cancel').click();
  });

  await t.test('replays a dead letter', async (t) => {
    const kafka = createKafka({ brokers: info.kafka.split(',') }, 'console-test', silent);
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: TOPICS.settlements.name, messages: [{ key: 'odd', value: 'junk' }] });
    await producer.disconnect();
    await until('it is parked', async () => {
      const { body } = await client.send({ path: '/v1/dead-letters', token });
      return (body['data'] as { key: string }[]).some(({ key }) => key === 'odd');
    });
    await desk.link('Dead letters').click();
    await region('Dead letters').getByText('odd').waitFor();
    t.same(await findBarriers(page), []);
    await button('Replay').click();
    await confirm();
    await page.getByLabel('State').selectOption({ label: 'replayed' });
    await region('Dead letters').getByText('odd').waitFor();
    // The message was not understood again, so it comes back as another letter.
    await page.getByLabel('State').selectOption({ label: 'waiting' });
    await until('it came back', async () => {
      const { body } = await client.send({ path: '/v1/dead-letters?state=waiting', token });
      return (body['data'] as { key: string }[]).some(({ key }) => key === 'odd');
    });
    t.same(desk.complaints, []);
  });

  await t.test('in Chinese, in the dark and on a phone', async (t) => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    await button('中文').click();
    for (const [link, heading] of [
      ['退款', '退款'],
      ['付款通知', '付款通知'],
      ['自提核销', '交货'],
      ['订单', '订单'],
    ] as const) {
      await desk.link(link).click();
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
      t.same(await findBarriers(page), [], link);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      t.ok(Number(width) <= 360, `${link}: ${String(width)} px`);
    }
  });
});
