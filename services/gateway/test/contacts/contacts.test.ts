// Goal: only a key of the operator opens a contact, only for the buyer and the sale it was sealed for, and
// nothing of it reaches a log. Method: real keys; every character of a sealed text is changed once.
import { randomBytes } from 'node:crypto';
import { macOfContact, SealedContact, type Contact, type SealedOrder } from '@seckill/contracts';
import { ConfigError, ConfigReader } from '@seckill/runtime';
import { pino } from 'pino';
import t from 'tap';
import { Compile } from 'typebox/compile';
import { makeContactKey, readContactKeys } from '../../src/contacts/contact-keys.ts';
import { Contacts } from '../../src/contacts/contacts.ts';

const CONTACT: Contact = {
  name: '王小明',
  phone: '+86 138 0013 8000',
  note: 'bell "3"',
  pickupPerson: '李雷',
};
const OWNER = { saleId: 'oranges', userId: 'u1' };

const orderOf = (contact: string, saleId = OWNER.saleId): SealedOrder => ({
  id: `${saleId}.0.aaaaaaaaaaaaaaaaaaaaaa`,
  saleId,
  lines: [],
  status: 'pending',
  amount: { amount: 0, currency: 'CNY' },
  reservedAt: '2026-11-22T12:00:00.000Z',
  expiresAt: '2026-11-22T12:15:00.000Z',
  contact,
});

function build(...secrets: Buffer[]) {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const contacts = new Contacts(secrets.map(makeContactKey), logger);
  const seal = (contact = CONTACT, owner = OWNER) => contacts.seal(contact, owner)?.contact ?? '';
  return { contacts, seal, lines };
}

const [one, two, three] = [randomBytes(32), randomBytes(32), randomBytes(32)];

await t.test('what is sealed opens for its owner, and tells nothing by itself', async (t) => {
  const { contacts, seal, lines } = build(one);
  const sealed = seal();
  t.ok(Compile(SealedContact).Check(sealed));
  for (const text of ['王小明', '8000', 'bell', '李雷']) {
    const [, , ciphertext = ''] = sealed.split('.');
    t.ok(ciphertext.length > 100);
    t.notOk(sealed.includes(text) || Buffer.from(ciphertext, 'base64url').includes(text), text);
  }
  t.strictSame(contacts.open(orderOf(sealed), 'u1'), { ...orderOf(''), contact: CONTACT });
  const [first, second] = [seal(), seal({ ...CONTACT })];
  t.not(first, second, 'another text each time');
  t.equal(macOfContact(first), macOfContact(second), 'known again all the same');
  const swapped = {
    phone: CONTACT.phone ?? '',
    name: CONTACT.name ?? '',
    note: 'bell "3"',
    pickupPerson: '李雷',
  };
  t.equal(macOfContact(seal(swapped)), macOfContact(first), 'whatever the order of its members');
  for (const other of [seal({ ...CONTACT, phone: '1' }), seal(CONTACT, { ...OWNER, userId: 'u2' })]) {
    t.not(macOfContact(other), macOfContact(first));
  }
  t.strictSame(lines, []);
});

await t.test('the largest contact fits the contract', async (t) => {
  const { seal, contacts } = build(one);
  const wide = (length: number) => '🍊'.repeat(length);
  const contact = { name: wide(64), phone: wide(32), note: wide(200), pickupPerson: wide(64) };
  t.ok(Compile(SealedContact).Check(seal(contact)), `${seal(contact).length} characters`);
  t.strictSame(contacts.open(orderOf(seal(contact)), 'u1').contact, contact);
});

await t.test('nothing opens that was changed, moved or sealed by somebody else', async (t) => {
  const { contacts, seal, lines } = build(one);
  const sealed = seal();
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
    // The last character has bits that no byte is made of.
    const isSameBytes = Buffer.from(changed, 'base64url').equals(Buffer.from(sealed, 'base64url'));
    if (at === sealed.length - 1 && isSameBytes) continue;
    t.notOk('contact' in contacts.open(orderOf(changed), 'u1'), `character ${at}`);
  }
  const foreign = build(two).seal();
  const keyId = sealed.slice(0, 8);
  for (const [what, order, userId] of [
    ['another buyer', orderOf(sealed), 'u2'],
    ['another sale', orderOf(sealed, 'pears'), 'u1'],
    ['another key', orderOf(foreign), 'u1'],
    ['another key by our name', orderOf(keyId + foreign.slice(8)), 'u1'],
    ['half of it', orderOf(sealed.slice(0, 60)), 'u1'],
    ['nothing behind the mac', orderOf(`${macOfContact(sealed)}.`), 'u1'],
    ['a text', orderOf('王小明 13800138000'), 'u1'],
    ['nothing', orderOf(''), 'u1'],
  ] as const) {
    const opened = contacts.open(order, userId);
    t.notOk('contact' in opened, what);
    t.equal(opened.id, order.id, 'the rest of the order is told');
  }
  t.ok(lines.length > sealed.length);
  for (const line of lines) {
    t.match(JSON.parse(line), {
      level: 50,
      msg: 'a contact cannot be opened',
      reason: /^(unknown_key|not_genuine)$/,
    });
    t.notMatch(line, /138|王小明|李雷|bell/);
  }
});

await t.test(
  'keys rotate: a new one is added behind, moves to the front, and the old one leaves',
  async (t) => {
    const old = build(one);
    const adding = build(one, two);
    const moved = build(two, one);
    const left = build(two);
    const sealed = old.seal();
    const owner = { ...OWNER };
    const macsOf = ({ contacts }: typeof old) => {
      const { contact = '', contactMacs = [] } = contacts.seal(CONTACT, owner) ?? {};
      return [macOfContact(contact), ...contactMacs];
    };
    for (const side of [old, adding, moved]) {
      t.strictSame(side.contacts.open(orderOf(sealed), 'u1').contact, CONTACT);
      t.ok(macsOf(side).includes(macOfContact(sealed)), 'a repeat is known again');
    }
    t.notOk('contact' in left.contacts.open(orderOf(sealed), 'u1'));
    t.notOk(macsOf(left).includes(macOfContact(sealed)));
    t.strictSame(adding.contacts.open(orderOf(moved.seal()), 'u1').contact, CONTACT, 'while both kinds run');
    t.ok(macsOf(adding).includes(macOfContact(moved.seal())));
  },
);

await t.test('without a key nothing is sealed', async (t) => {
  const { contacts } = build();
  t.equal(contacts.seal(CONTACT, OWNER), undefined);
  t.notOk('contact' in contacts.open(orderOf(build(one).seal()), 'u1'));
});

await t.test('CONTACT_KEY is keys of 32 bytes, each once, or nothing; no message has one', async (t) => {
  const read = (text?: string) => {
    const reader = new ConfigReader(text === undefined ? {} : { CONTACT_KEY: text });
    const keys = readContactKeys(reader);
    reader.done();
    return keys;
  };
  const [a, b, c] = [one, two, three].map((key) => key.toString('base64'));
  t.strictSame(read(), []);
  t.strictSame(read(''), []);
  t.strictSame(read(`${a},${b} ${c}\n`), [one, two, three].map(makeContactKey));
  t.strictSame(read(one.toString('base64url')), [makeContactKey(one)]);
  const bad = [
    ['short', randomBytes(31).toString('base64')],
    ['long', randomBytes(33).toString('base64')],
    ['hex', one.toString('hex')],
    ['words', 'correct horse battery staple'],
    ['twice', `${a},${a}`],
    ['twice in another spelling', `${a},${one.toString('base64url')}`],
    ['nine', Array.from({ length: 9 }, () => randomBytes(32).toString('base64')).join(',')],
  ] as const;
  for (const [what, text] of bad) {
    t.throws(() => read(text), ConfigError, what);
    try {
      read(text);
    } catch (error) {
      t.notOk(
        text.split(',').some((word) => String(error).includes(word)),
        'the value is not echoed',
      );
    }
  }
});
