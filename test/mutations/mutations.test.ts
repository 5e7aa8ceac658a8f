// Goal: each defect of `npm run test:mutations` is still one that can be made. Method: its texts are looked
// for in the source; nothing is changed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@seckill/stack';
import t from 'tap';
import { MUTATIONS } from './mutations.ts';

void t.test('every text stands once in its file', (t) => {
  for (const { name, edits } of MUTATIONS) {
    for (const { file, find, replace } of edits) {
      const count = readFileSync(join(ROOT, file), 'utf8').split(find).length - 1;
      t.equal(count, 1, `${name}: ${find.trim()}`);
      t.not(find, replace, name);
    }
  }
  t.equal(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length);
  t.end();
});
