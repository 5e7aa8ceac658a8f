// Goal: the flow of a src can be read from its folders, because its wings import each other one way only.
// Method: dependency-cruiser itself, by the configuration that `npm run lint` uses, over a small tree in
// which a file imports what it must not; and the rows of the configuration against the folders that exist.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = `${ROOT}.dependency-cruiser.cjs`;
const { forbidWings, WINGS } = createRequire(import.meta.url)(`${ROOT}.dependency-cruiser.wings.cjs`) as {
  forbidWings: (wings?: Record<string, Record<string, string[]>>) => { name: string }[];
  WINGS: Record<string, Record<string, string[]>>;
};

/** A file of a wing, which imports another wing's. */
const importing = (wing: string): object => ({ 'one.ts': `export { other } from '../${wing}/other.ts';\n` });
const imported = { 'other.ts': 'export const other = 1;\n' };

void t.test('an import that the wings do not allow fails the lint, and one that they allow does not', (t) => {
  const stock = {
    // redis/ has no row, so it imports no other wing. The row of recovery/ names redis/.
    redis: { ...importing('recovery'), ...imported },
    recovery: { ...importing('redis'), ...imported },
  };
  const bench = { generator: importing('audit'), audit: imported };
  const folder = t.testdir({
    services: { stock: { src: stock } },
    bench: { src: bench },
    'tsconfig.json': '{}',
  } as Parameters<Test['testdir']>[0]);
  const program = `${ROOT}node_modules/dependency-cruiser/bin/dependency-cruise.mjs`;
  const args = [program, '--config', CONFIG, '--output-type', 'err', 'services', 'bench'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  t.not(status, 0);
  t.match(stdout, /wing-services\/stock\/src: services\/stock\/src\/redis\/one\.ts/);
  t.match(stdout, /wing-bench\/src\/generator: bench\/src\/generator\/one\.ts/);
  t.equal(stdout.match(/error wing-/g)?.length, 2, stdout);
  t.end();
});

void t.test('rows that make a circle are refused', (t) => {
  const rows = { one: ['two'], two: ['three'], three: ['one'] };
  t.throws(() => forbidWings({ 'some/src': rows }), { message: /make a circle/ });
  t.end();
});

void t.test('the rows name the wings that there are', (t) => {
  for (const [src, rows] of Object.entries(WINGS)) {
    const wings = readdirSync(`${ROOT}${src}`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    const named = new Set([...Object.keys(rows), ...Object.values(rows).flat()]);
    t.same(
      [...named].filter((name) => !wings.includes(name)),
      [],
      src,
    );
  }
  t.end();
});
