// Goal: every gzip reads a text that was compressed in two pieces as the whole text. Method: zlib and the
// gzip of the machine read it.
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { TextHead } from '../../src/sales/text-head.ts';

await t.test('a beginning that was compressed once goes with every end', async (t) => {
  for (const text of ['', 'a', '橙子🍊'.repeat(50), 'abc'.repeat(100_000)]) {
    const head = new TextHead(text);
    for (const tail of ['', '}', '，"时间":"今天"}', 'x'.repeat(65_535)]) {
      const bytes = head.gzippedWith(tail);
      t.equal(gunzipSync(bytes).toString(), head.with(tail), `${text.length} and ${tail.length} characters`);
    }
  }
  const head = new TextHead('abc'.repeat(1_000));
  t.ok(head.gzippedWith('}').length < 100, 'it is compressed');
  const unpacked = execFileSync('gzip', ['-dc'], { input: head.gzippedWith('}'), encoding: 'utf8' });
  t.equal(unpacked, head.with('}'), 'gzip itself checks length and checksum');
  t.throws(() => head.gzippedWith('x'.repeat(65_536)), RangeError);
});

await t.test('the tag names the beginning', async (t) => {
  t.equal(new TextHead('a').tag, new TextHead('a').tag);
  t.not(new TextHead('a').tag, new TextHead('b').tag);
});
