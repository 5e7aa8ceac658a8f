// Goal: every detail says the same in both languages. Method: the catalogue itself.
import t from 'tap';
import { DETAILS, detailOf, PROBLEMS } from '../../src/index.ts';

const gaps = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([gap]) => gap).sort();
const HAN = /\p{Script=Han}/u;

await t.test('each text stands in both languages with the same values', async (t) => {
  for (const [key, { en, zh }] of Object.entries(DETAILS)) {
    t.same(gaps(en), gaps(zh), key);
    t.match(zh, HAN, key);
    t.notMatch(en, HAN, key);
  }
  for (const [code, { title }] of Object.entries(PROBLEMS)) {
    t.match(title.zh, HAN, code);
    t.notMatch(title.en, HAN, code);
  }
});

await t.test('a text takes its values as they are', async (t) => {
  t.same(detailOf('schema_maximum', { field: 'lines.0.quantity', limit: 100 }), {
    en: 'lines.0.quantity: must be at most 100',
    zh: 'lines.0.quantity:不得大于 100',
  });
  t.equal(detailOf('refund_done_under', { reference: '{field} $& $1' }).en, 'done under {field} $& $1');
});
