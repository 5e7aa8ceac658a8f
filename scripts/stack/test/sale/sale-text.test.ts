// Goal: a mistake in a sale's file is told with its line, and editors know the same form as the service.
// Method: the reader on texts; the published schema beside the one in code, which
// `SECKILL_UPDATE_SNAPSHOTS=1` writes anew.
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { ROOT } from '../../src/names.ts';
import { parseSale, readSaleFile } from '../../src/sale/sale-text.ts';
import { saleFileSchema } from '../../src/sale/sale-schema.ts';
import { SCHEMA_FILE } from '../../src/sale/show.ts';

const PEARS = `id: pears
title: { zh: 梨, en: Pears }
closesAt: 2030-01-01T00:00:00Z
items:
  - sku: pear
    title: Pear
    price: { amount: 100, currency: CNY }
    total: 10
    paused: true
channels:
  - { id: li, kind: community, title: Li }
state: paused
`;

void t.test('a file is read, and tells where its values stand', (t) => {
  const { sale, placeOf } = parseSale('pears.yaml', PEARS);
  t.match(sale, { id: 'pears', title: { zh: '梨' }, closesAt: '2030-01-01T00:00:00Z', state: 'paused' });
  t.match(sale.items, [{ sku: 'pear', total: 10, paused: true }]);
  t.equal(placeOf(['items', 0, 'total']), 'pears.yaml:8');
  t.equal(placeOf(['channels', 0, 'cap']), 'pears.yaml:11', 'the nearest that is there');
  t.equal(placeOf(['holdSeconds']), 'pears.yaml:1');
  t.same(parseSale('pears.json', JSON.stringify(sale)).sale, sale, 'JSON says the same');
  t.end();
});

void t.test('a file that is not UTF-8 is refused, since U+FFFD would be read by buyers', (t) => {
  const title = Buffer.from([0xb4, 0xd7]);
  const folder = t.testdir();
  const [before = '', after = ''] = PEARS.split('梨');
  writeFileSync(`${folder}/gbk.yaml`, Buffer.concat([Buffer.from(before), title, Buffer.from(after)]));
  writeFileSync(`${folder}/utf-8.yaml`, PEARS);
  t.throws(() => readSaleFile(`${folder}/gbk.yaml`), {
    message: /gbk\.yaml: is not UTF-8$/,
    exitCode: 2,
  });
  t.match(readSaleFile(`${folder}/utf-8.yaml`).sale, { title: { zh: '梨' } });
  t.end();
});

const WRONG: [before: string, after: string, says: string][] = [
  ['total: 10', 'total: ten', '8: items.0.total: must be integer'],
  ['total: 10', 'totla: 10', '8: items.0.totla: is not a known field'],
  ['total: 10', 'total: 10\n    total: 11', '9: Map keys must be unique'],
  ['amount: 100, ', '', '7: items.0.price: lacks amount'],
  ['id: pears', 'id: Pears!', '1: id: has not the form that is required'],
  ['id: pears\n', '', '1: lacks id'],
  ['state: paused', 'state: loading', '12: state: '],
  ['kind: community', 'kind: [', '11: '],
  ['sku: pear', 'sku: *pear', ' Unresolved alias'],
];

void t.test('what is wrong is told with its line', (t) => {
  for (const [before, after, says] of WRONG) {
    const text = PEARS.replace(before, after);
    t.not(text, PEARS, 'the file has the mistake');
    t.throws(() => parseSale('f', text), { exitCode: 2, message: new RegExp(`^f:${says}`) }, after);
  }
  t.throws(() => parseSale('f', ''), { message: /^f:1: / });
  t.throws(() => parseSale('f', 'just words'), { message: /^f:1: / });
  const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefg'
    .split('')
    .map((name, index) => `${name}: &${name} [${`*${'abcdefg'[index] ?? ''}, `.repeat(9)}]`)
    .join('\n')}\n`;
  t.throws(() => parseSale('f', bomb), { exitCode: 2, message: /alias/ }, 'a small file stays small');
  t.end();
});

void t.test('the example of the documentation is a sale', (t) => {
  const [, example = ''] =
    /^```yaml\n([^]*?)^```$/m.exec(readFileSync(`${ROOT}/docs/operating/a-sale.md`, 'utf8')) ?? [];
  t.match(parseSale('example', example).sale, { id: 'oranges-2000', state: 'paused' });
  t.end();
});

void t.test('the schema that editors read is the one of the service', (t) => {
  const file = `${ROOT}/${SCHEMA_FILE}`;
  if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(file, saleFileSchema());
  t.equal(readFileSync(file, 'utf8'), saleFileSchema());
  t.end();
});
