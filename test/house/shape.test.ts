// Goal: a newcomer reads the flow from `ls`, and a comment without scrolling. Method: the folders and
// the comments of the repository are counted. Imports between wings: `wings.test.ts`.
import t from 'tap';
import { filesBelow, read } from './support.ts';

const SOURCES = ['bench', 'examples', 'packages', 'scripts', 'services'];
/** About a dozen files, which one look takes in. */
const FILES_MAX = 13;
const COLUMNS_MAX = 110;
/**
 * Prettier breaks code. A text that stands in one piece, such as SQL or a title, may be longer. A comment may
 * not.
 */
const COMMENT = { ts: /^\s*(\/\/|\/\*|\* )/, other: /^\s*--/ };

void t.test('no folder of a src but the top one holds more than about a dozen files', (t) => {
  const counts = new Map<string, number>();
  for (const file of SOURCES.flatMap((folder) => filesBelow(folder, '.ts'))) {
    const folder = file.slice(0, file.lastIndexOf('/'));
    if (/\/src\//.test(`${folder}/`)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  t.ok(counts.size > 20, 'the folders are found');
  const large = [...counts].filter(([folder, count]) => count > FILES_MAX && !folder.endsWith('/src'));
  t.same(large, []);
  t.end();
});

void t.test('comments have at most 110 columns', (t) => {
  const files = ['.ts', '.lua', '.sql'].flatMap((end) =>
    [...SOURCES, 'test', 'k8s'].flatMap((folder) => filesBelow(folder, end)),
  );
  t.ok(files.length > 400, 'the files are found');
  // Migrations are left out. One that was released is never changed, because its checksum stands in the
  // database.
  const released = /\/migrations\/000[1-4]-/;
  for (const file of files.filter((path) => !path.includes('/snapshots/') && !released.test(path))) {
    const comment = file.endsWith('.ts') ? COMMENT.ts : COMMENT.other;
    const long = read(file)
      .split('\n')
      .flatMap((line, index) => (comment.test(line) && line.length > COLUMNS_MAX ? [index + 1] : []));
    t.same(long, [], file);
  }
  t.end();
});
