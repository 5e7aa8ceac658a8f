// Goal: a contact is told to the owner who asks for the order and to operators, to nobody else, and is erased
// for ever on command. Method: rows stored by the real intake, asked over HTTP as the gateway asks; the built
// command.
import { fileURLToPath } from 'node:url';
import { transaction } from '@seckill/runtime';
import { CommandRunner } from '@seckill/testing';
import t, { test } from 'tap';
import { eraseOfOrder, eraseOfSale } from '../../src/orders/contact-erasure.ts';
import { readOrders } from '../../src/orders/order-row.ts';
import { createDatabase } from '../support/database.ts';
import { storeOrders, storeSale } from '../support/reservations.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const CONTACT = 'sealed-key.mac.ciphertext';

const commands = new CommandRunner();
t.teardown(() => commands.stop());
const COMMAND = fileURLToPath(new URL('../../dist/commands/contacts.js', import.meta.url));

async function createFixture(t: Parameters<typeof createDatabase>[0]) {
  const { pool, url } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url);
  const saleId = await storeSale(pool, { orange: 5_000 });
  const run = (...args: string[]) =>
    commands.run(COMMAND, args, { PATH: process.env['PATH'] ?? '', DATABASE_URL: url });
  const count = async (contact: string) => {
    const { rows } = await pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM orders WHERE contact = $1',
      [contact],
    );
    return rows[0]?.count;
  };
  return { pool, call, saleId, run, count };
}

await test('the owner of one order and operators are told of it; lists, changes and webhooks are not', async (t) => {
  const { pool, call, saleId } = await createFixture(t);
  const [order] = await storeOrders(pool, saleId, [{ userId: 'u1', contact: CONTACT }]);
  const id = order?.reservationId ?? '';
  const own = { userId: 'u1' };
  t.match(await call('GET', `/v1/orders/${id}`, own), { status: 200, body: { id, contact: CONTACT } });
  t.match(await call('GET', `/v1/orders/${id}`, { userId: 'u2' }), { status: 404 });
  t.match(await call('GET', `/v1/sales/${saleId}/orders/${id}`), {
    status: 200,
    body: { id, contact: CONTACT },
  });
  const listed = await call('GET', `/v1/sales/${saleId}/orders`);
  t.match(listed, { status: 200, body: { data: [{ id, contact: CONTACT }] } });
  for (const answer of [
    await call('GET', '/v1/orders', own),
    await call('POST', `/v1/orders/${id}/cancel`, own),
    { status: 200, body: await transaction(pool, (client) => readOrders(client, [id])) },
  ]) {
    t.equal(answer.status, 200);
    const text = JSON.stringify(answer.body);
    t.ok(text.includes(id));
    t.notMatch(text, /contact/i);
  }
});

await test('the contacts of a sale are erased, more than one part of them, and of no other sale', async (t) => {
  const { pool, call, saleId, count } = await createFixture(t);
  const other = await storeSale(pool, { orange: 10 });
  await storeOrders(pool, other, [{ contact: CONTACT }]);
  const stored = await storeOrders(
    pool,
    saleId,
    Array.from({ length: 2_300 }, (_, index) => (index % 2 === 0 ? { contact: CONTACT } : {})),
  );
  await pool.query(`UPDATE orders SET status = 'refused', refusal = 'ledger' WHERE id = $1`, [
    stored[0]?.reservationId,
  ]);
  const progress: [number, number][] = [];
  t.equal(await eraseOfSale(pool, saleId, (...told) => progress.push(told)), 1_150, 'refused ones as well');
  t.same(
    progress.map(([lookedAt]) => lookedAt),
    [1_000, 2_000, 2_300],
  );
  t.equal(await count(CONTACT), 1, 'the other sale’s');
  t.equal(await count('erased'), 1_150);
  const [, , third] = stored;
  const path = `/v1/orders/${third?.reservationId ?? ''}`;
  t.notOk('contact' in (await call('GET', path, { userId: third?.userId ?? '' })).body);
  t.equal(await eraseOfSale(pool, saleId), 0, 'a repeat changes nothing');
  await t.rejects(eraseOfSale(pool, 'no-such-sale'), { code: 'sale_not_found' });
});

await test('what Kafka brings again does not come back', async (t) => {
  const { pool, saleId, count } = await createFixture(t);
  const [order] = await storeOrders(pool, saleId, [{ contact: CONTACT }]);
  t.equal(await eraseOfOrder(pool, order?.reservationId ?? ''), true);
  t.equal(await eraseOfOrder(pool, order?.reservationId ?? ''), false);
  await storeOrders(pool, saleId, [order ?? {}]);
  t.equal(await count(CONTACT), 0);
  t.equal(await count('erased'), 1);
  await t.rejects(eraseOfOrder(pool, `${saleId}.0.${'a'.repeat(38)}`), { code: 'order_not_found' });
});

await test('the command erases one order or a sale, and says how many', async (t) => {
  const { pool, saleId, run, count } = await createFixture(t);
  const stored = await storeOrders(pool, saleId, [{ contact: CONTACT }, { contact: CONTACT }, {}]);
  const id = stored[0]?.reservationId ?? '';
  t.match(await run('erase', '--order', id), { code: 0, stdout: 'contacts erased: 1\n', stderr: '' });
  t.equal(await count(CONTACT), 1);
  t.match(await run('erase', '--sale', saleId, '--json'), { code: 0, stdout: '{"erased":1}\n' });
  t.match(await run('erase', '--sale', saleId), { code: 0, stdout: 'contacts erased: 0\n' });
  t.match(await run('erase', '--sale', 'nothing'), { code: 1, stdout: '', stderr: /^[^\n]+\n$/ });
  t.match(await run('erase', '--sale', saleId, '--order', id), {
    code: 2,
    stderr: /either --sale or --order/,
  });
});
