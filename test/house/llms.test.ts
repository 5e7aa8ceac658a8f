// Goal: llms.txt says what the pages say, and its links lead somewhere. Method: it is made anew and compared.
// `npm run llms` writes it.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeLlmsText } from './llms-text.ts';
import { filesBelow, read } from './support.ts';

const ROOT = join(import.meta.dirname, '../..');
const made = makeLlmsText();
if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') writeFileSync(join(ROOT, 'llms.txt'), made);

await t.test('the committed file is what the pages make', async (t) => {
  t.equal(read('llms.txt'), made);
});

await t.test('every link leads to a file, and every page of docs is linked once', async (t) => {
  const links = [...made.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target);
  for (const link of links) t.ok(existsSync(join(ROOT, link)), link);
  for (const page of filesBelow('docs', '.md'))
    t.equal(links.filter((link) => link === page).length, 1, page);
});

await t.test('every line says something', async (t) => {
  for (const line of made.split('\n').filter((one) => one.startsWith('- '))) {
    t.match(line, /^- (\[[^\]]+\]\([^)]+\)|`[A-Z]+ \S+` \(\w+\)): \S.{8,}/);
  }
});
