// Goal: a contact goes through the whole system and back to its owner and to operators, while nobody who
// looks into an engine or a log finds any of it; keys rotate, get lost and are wrong; an erased contact is
// gone.
// Method: the whole system; the gateway is started anew with other keys; Redis is emptied; the command as an
// operator runs it. In the end every value of Redis, every row, every message and every log is searched.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOPICS } from '@seckill/contracts';
import { ROOT } from '@seckill/stack';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import t from 'tap';
import { connectRedis } from '../support/redis.ts';
import { buildStack, createSale, until, untilRows } from '../support/stack.ts';

const makeKey = () => randomBytes(32).toString('base64');
const [oldKey, newKey] = [makeKey(), makeKey()];
const client = await buildStack(t, 'contacts', { CONTACT_KEY: oldKey });
const { stack } = client;
const admin = await client.token('operator', true);
const buyer = await client.token('u1');
const postgres = new pg.Client({ connectionString: stack.info.postgres });
await postgres.connect();
t.teardown(() => postgres.end());

/** Words that stand nowhere else. */
const SECRETS = ['Wangxiaoming', '13800138000', 'bell-three', 'Lilei', '王小明'];
const CONTACT = {
  name: 'Wangxiaoming',
  phone: '13800138000',
  note: 'bell-three 王小明',
  pickupPerson: 'Lilei',
};

/** @param contact undefined: none */
const reserve = (key: string, contact: unknown) =>
  client.send({
    method: 'POST',
    path: '/v1/sales/kept/reservations',
    token: buyer,
    key,
    body: { lines: [{ sku: 'a', quantity: 1 }], ...(contact === undefined ? {} : { contact }) },
  });
const read = async (id: string, token = buyer) =>
  (await client.send({ path: `/v1/orders/${id}`, token })).body;
const withKeys = async (...keys: string[]) => {
  await stack.restart('gateway', { CONTACT_KEY: keys.join(',') });
  await until(
    'the gateway sells',
    async () => (await client.send({ path: '/v1/sales/kept' })).status === 200,
  );
};

await createSale(client, 'kept', {
  items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 50 }],
});
const firstKey = randomUUID();
const first = await reserve(firstKey, CONTACT);
const id = String(first.body['id']);

await t.test('its owner and operators read it, from the first moment on; nobody else does', async (t) => {
  t.equal(first.status, 201);
  t.notMatch(first.text, /contact|Wang/, 'the 201 has it not');
  t.match(await read(id), { id, contact: CONTACT }, 'from the hold or the row');
  await untilRows(client, 'kept', 1);
  t.strictSame((await read(id))['contact'], CONTACT);
  t.strictSame((await read(id, admin))['contact'], CONTACT);
  const listed = await client.send({ path: '/v1/sales/kept/orders', token: admin });
  t.match(listed.body, { data: [{ id, contact: CONTACT }] });
  t.match(await client.send({ path: `/v1/orders/${id}`, token: await client.token('u2') }), { status: 404 });
  for (const path of ['/v1/orders', '/v1/sales/kept']) {
    const { status, text } = await client.send({ path, token: buyer });
    t.equal(status, 200);
    t.notMatch(text, /"contact"|Wang/, path);
  }
});

await t.test('a text that nobody should take is refused with its field', async (t) => {
  for (const [field, contact] of [
    ['contact.name', { name: '' }],
    ['contact.name', { name: '\u200b\u2060' }],
    ['contact.name', { name: 'n'.repeat(65) }],
    ['contact.phone', { phone: '1'.repeat(33) }],
    ['contact.phone', { phone: '1\u0000' }],
    ['contact.note', { note: 'a\nb' }],
    ['contact.note', { note: '\u202egnp.exe' }],
    ['contact.pickupPerson', { pickupPerson: 7 }],
    ['contact.email', { name: 'x', email: 'x' }],
    ['contact', {}],
    ['contact', 'Wangxiaoming'],
    ['contact', null],
  ] as const) {
    const answer = await reserve(randomUUID(), contact);
    t.match(answer, { status: 400, body: { code: 'invalid_request', field } }, JSON.stringify(contact));
  }
});

await t.test('a repeat brings the same contact, or it is another request', async (t) => {
  const { phone, ...others } = CONTACT;
  t.equal((await reserve(firstKey, { phone, ...others })).text, first.text);
  t.match(await reserve(firstKey, others), { status: 422, body: { code: 'key_reused' } });
  t.match(await reserve(firstKey, undefined), { status: 422, body: { code: 'key_reused' } });
});

await t.test(
  'after a change of keys both kinds of contacts are read, and repeats are known again',
  async (t) => {
    await withKeys(newKey, oldKey);
    t.equal((await reserve(firstKey, CONTACT)).text, first.text);
    t.strictSame((await read(id))['contact'], CONTACT);
    const key = randomUUID();
    const second = await reserve(key, CONTACT);
    t.equal(second.status, 201);
    await untilRows(client, 'kept', 2);

    await withKeys(newKey);
    t.strictSame((await read(String(second.body['id'])))['contact'], CONTACT);
    t.equal((await reserve(key, CONTACT)).text, second.text);
    t.match(await read(id), { id, status: 'pending' });
    t.notOk('contact' in (await read(id)), 'the key that sealed it is gone');
    t.match(await reserve(firstKey, CONTACT), { status: 422 }, 'and nothing can be compared');
  },
);

await t.test(
  'without a key a contact is refused before anything is taken, and orders are read all the same',
  async (t) => {
    await withKeys();
    const answer = await reserve(randomUUID(), CONTACT);
    t.match(answer, { status: 400, body: { code: 'invalid_request', field: 'contact' } });
    t.match(answer.body, { detail: 'contact: this service keeps no contacts' });
    t.equal((await reserve(randomUUID(), undefined)).status, 201);
    t.match(await read(id), { id, status: 'pending' });
    t.notOk('contact' in (await read(id)));
    await withKeys(makeKey());
    t.notOk('contact' in (await read(id)), 'nor with a wrong key');
    await withKeys(newKey, oldKey);
    t.strictSame((await read(id))['contact'], CONTACT, 'the right one opens it');
  },
);

await t.test('what was changed in the database, or moved to another order, is not shown', async (t) => {
  const { rows } = await postgres.query<{ contact: string }>('SELECT contact FROM orders WHERE id = $1', [
    id,
  ]);
  const sealed = rows[0]?.contact ?? '';
  const set = (contact: string) =>
    postgres.query('UPDATE orders SET contact = $2 WHERE id = $1', [id, contact]);
  for (const contact of [sealed.slice(0, -8) + 'AAAAAAAA', 'not-sealed']) {
    await set(contact);
    t.match(await read(id), { id, status: 'pending' });
    t.notOk('contact' in (await read(id)), contact.slice(-8));
  }
  await set(sealed);
  const other = await client.send({
    method: 'POST',
    path: '/v1/sales/kept/reservations',
    token: await client.token('thief'),
    key: randomUUID(),
    body: { lines: [{ sku: 'a', quantity: 1 }] },
  });
  const stolen = String(other.body['id']);
  await untilRows(client, 'kept', 4);
  await postgres.query('UPDATE orders SET contact = $2 WHERE id = $1', [stolen, sealed]);
  t.notOk('contact' in (await read(stolen, await client.token('thief'))));
});

await t.test('a loss of Redis keeps it, and an erasure ends it', async (t) => {
  const redis = connectRedis(t, stack.info.redis);
  const isThere = async (text: RegExp) => {
    const records = Object.values(await redis.hgetall('seckill:{kept:0}:holds'));
    return records.some((record) => text.test(record));
  };
  const rebuilt = async () => {
    await redis.flushall();
    await until('the lane is loaded anew', async () => (await reserve(firstKey, CONTACT)).status === 201);
  };
  await rebuilt();
  t.equal((await reserve(firstKey, CONTACT)).text, first.text);
  t.ok(await isThere(/"contact":"[\w-]{8}\./), 'sealed');

  const env = { ...process.env, DATABASE_URL: stack.info.postgres };
  const command = join(ROOT, 'services/order/dist/commands/contacts.js');
  const run = (...args: string[]) =>
    execFileSync('node', [command, 'erase', ...args], { env, encoding: 'utf8' });
  t.equal(run('--sale', 'kept'), 'contacts erased: 3\n');
  t.notOk('contact' in (await read(id)));
  t.notOk('contact' in (await read(id, admin)));
  t.ok(await isThere(/"contact":"[\w-]{8}\./), 'as the documentation says');
  await rebuilt();
  t.notOk(await isThere(/"contact":"[\w-]{8}\./));
  t.ok(await isThere(/"contact":"erased"/));
  t.equal((await reserve(firstKey, CONTACT)).text, first.text, 'a repeat gets its first answer');
});

await t.test('no engine and no log holds a word of it', async (t) => {
  const isLeak = (text: string) => SECRETS.some((secret) => text.includes(secret));
  t.ok(isLeak(JSON.stringify(CONTACT)), 'the search finds what is there');

  const { rows } = await postgres.query<{ row: string }>('SELECT orders::text AS row FROM orders');
  t.ok(rows.length >= 4);
  t.notOk(
    rows.some(({ row }) => isLeak(row)),
    'PostgreSQL',
  );

  const redis = connectRedis(t, stack.info.redis);
  // A compressed dump could hide a word.
  await redis.config('SET', 'rdbcompression', 'no');
  const keys = await redis.keys('*');
  t.ok(keys.length > 3);
  for (const key of keys) t.notOk(isLeak((await redis.dumpBuffer(key)).toString('latin1')), key);

  const kafka = new Kafka({ brokers: stack.info.kafka.split(','), logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: randomUUID() });
  await consumer.connect();
  t.teardown(() => consumer.disconnect());
  const values: string[] = [];
  await consumer.subscribe({ topic: TOPICS.reservations.name, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void values.push(String(message.value)) });
  await until('Kafka is read', async () => values.filter((value) => value.includes('"contact"')).length >= 2);
  t.notOk(values.some(isLeak), 'Kafka');

  const folder = join(ROOT, '.run', client.name);
  const logs = readdirSync(folder).filter((file) => file.endsWith('.log'));
  t.ok(
    ['gateway', 'stock', 'order'].every((service) => logs.some((file) => file.startsWith(service))),
    logs.join(),
  );
  for (const file of logs) {
    const text = readFileSync(join(folder, file), 'utf8');
    t.notOk(isLeak(text), file);
    if (file.startsWith('gateway')) t.match(text, 'a contact cannot be opened');
  }
});
