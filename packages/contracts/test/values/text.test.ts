// Goal: a text that people read can be seen, stands in one line and turns no direction.
// Method: fixed examples.
import t from 'tap';
import { Compile } from 'typebox/compile';
import { RefundDone, SaleInput, ReserveRequest } from '../../src/index.ts';

const titled = (title: unknown) => ({
  title,
  closesAt: '2030-01-01T00:00:00Z',
  items: [{ sku: 'a', title, price: { amount: 1, currency: 'CNY' }, total: 1 }],
  channels: [{ id: 'c', kind: 'store', title, partnerId: String(title).slice(0, 100), pickupPointId: 'p' }],
});
const sale = Compile(SaleInput);
const reservation = Compile(ReserveRequest);
const refund = Compile(RefundDone);

function acceptances(text: string): boolean[] {
  return [
    sale.Check(titled(text)),
    reservation.Check({ lines: [{ sku: 'a', quantity: 1 }], ref: text }),
    refund.Check({ reference: text }),
  ];
}

await t.test('texts of every language are taken as they are', async (t) => {
  const texts = [
    '赣南脐橙 5kg',
    'a',
    '!',
    '🍊',
    '👨‍👩‍👧',
    '🏴󠁧󠁢󠁳󠁣󠁴󠁿',
    'مرحبا\u200f!',
    'שלום',
    ' padded ',
    'e\u0301',
    '한국어',
    'हिन्दी',
    '½ kg',
    '🍊'.repeat(64),
  ];
  for (const text of texts) t.same(acceptances(text), [true, true, true], JSON.stringify(text));
});

await t.test('a character that nobody can see is refused', async (t) => {
  const texts = [
    '',
    ' ',
    '\u00a0',
    '\u3000\u3000',
    '\u200b',
    '\u2060\ufeff',
    '\u00ad',
    '\u3164',
    '\u115f\u1160\uffa0',
    '\u2800',
    '\u{1d159}',
    '\u{13441}\u{13442}',
    '\ufffc',
    '\u034f',
    '\u{e0041}',
    '\ufe0f',
    '\u0301',
  ];
  for (const text of texts) t.same(acceptances(text), [false, false, false], JSON.stringify(text));
});

await t.test('a character that breaks the line or turns its direction is refused', async (t) => {
  const characters = [
    '\u0000',
    '\n',
    '\r',
    '\t',
    '\u007f',
    '\u0085',
    '\u2028',
    '\u2029',
    '\u202a',
    '\u202b',
    '\u202c',
    '\u202d',
    '\u202e',
    '\u2066',
    '\u2067',
    '\u2068',
    '\u2069',
    '\ud800',
    '\udc00',
  ];
  for (const one of characters) {
    const text = `oranges ${one} 5kg`;
    // The character itself would break the lines of the report.
    t.same(acceptances(text), [false, false, false], `U+${one.charCodeAt(0).toString(16)}`);
  }
});

await t.test('the length is counted in characters, and a long text costs no time', async (t) => {
  t.same(acceptances('x'.repeat(200)), [true, false, true]);
  t.same(acceptances('🍊'.repeat(201)), [false, false, false]);
  const began = performance.now();
  acceptances(' '.repeat(100_000));
  t.ok(performance.now() - began < 500, 'a hundred thousand blanks');
});

await t.test('a title is one text, or one for each language, under the same rules', async (t) => {
  const taken = [{ zh: '赣南脐橙', en: 'Oranges' }, 'Oranges'];
  for (const title of taken) t.ok(sale.Check(titled(title)), JSON.stringify(title));
  const bad = ['a\nb', 'a\u202eb', '\u3164', '', 'x'.repeat(201)];
  const refused = [
    ...bad.flatMap((text) => [{ zh: text, en: 'x' }, { zh: 'x', en: text }, text]),
    { zh: 'x' },
    { en: 'x' },
    {},
    { zh: 'x', en: 'x', fr: 'x' },
    ['x', 'x'],
    null,
  ];
  for (const title of refused) t.notOk(sale.Check(titled(title)), JSON.stringify(title));
  const description = { zh: '果'.repeat(2_000), en: 'x' };
  t.ok(sale.Check({ ...titled('x'), description }));
  t.notOk(sale.Check({ ...titled('x'), description: { zh: `${description.zh}果`, en: 'x' } }));
});

await t.test('a picture has an https address that can stand in a page', async (t) => {
  const withImage = (image: unknown) => sale.Check({ ...titled('x'), image });
  const good = [
    'https://cdn.example/a.webp',
    'https://cdn.example:8443/%E6%A9%99/a.png?w=640&v=1#top',
    'https://xn--fiq228c.example',
    `https://a.example/${'x'.repeat(1_006)}`,
  ];
  for (const url of good) t.ok(withImage(url), url);
  const bad = [
    'http://cdn.example/a.webp',
    'javascript:alert(1)',
    'data:image/png;base64,AAAA',
    '//cdn.example/a.png',
    'https://',
    'https:///a',
    'https://user:password@cdn.example/a.png',
    'https://cdn.example/a b.png',
    'https://cdn.example/a.png"onerror="x',
    "https://cdn.example/a.png');}",
    'https://cdn.example/<x>',
    'https://cdn.example/橙.png',
    'https://cdn.example/a\nb',
    'https://cdn.example\\@evil.example',
    `https://a.example/${'x'.repeat(1_007)}`,
    1,
  ];
  for (const url of bad) t.notOk(withImage(url), String(url));
});
