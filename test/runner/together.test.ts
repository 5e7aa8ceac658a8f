// Goal: files that share a process are tested as if each were alone: none is left out, each is closed before
// the next one, and a failure of any fails the run. Method: files made for it, run by tap in a process of
// their own; the plan of a whole run is read, not run.
import { execFile } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

interface Together {
  planGroups: (files: string[]) => { name: string; files: string[] }[];
}
// The runner is JavaScript: it runs before anything is built.
const { planGroups } = (await import(new URL('together.js', import.meta.url).href)) as Together;

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

await t.test('every file is in one group, what takes long starts first', async (t) => {
  const order = Array.from({ length: 10 }, (_, index) => `services/order/test/${index}.test.ts`);
  const stock = ['services/stock/test/a.test.ts'];
  const groups = planGroups([...order, ...stock, 'test/faults/x.test.ts', 'test/invariants/y.test.ts']);
  t.same(groups, [
    { name: 'test/faults/x', files: ['test/faults/x.test.ts'] },
    { name: 'test/invariants/y', files: ['test/invariants/y.test.ts'] },
    { name: 'services/order', files: order.slice(0, 8) },
    { name: 'services/order', files: order.slice(8) },
    { name: 'services/stock', files: stock },
  ]);
});

await t.test('a file that breaks fails the run, and the others are run and closed', async (t) => {
  const folder = t.testdir({
    'closes.js': `import t from 'tap';
      t.teardown(() => console.log('# closed'));
      void t.test('not waited for', async (t) => { await new Promise((r) => setTimeout(r, 50)); t.pass('late'); });`,
    'throws.js': `console.log('# throws'); throw new Error('broken on purpose');`,
    'fails.js': `import t from 'tap'; await t.test('fails', async (t) => { t.equal(1, 2, 'wrong'); });`,
    'passes.js': `import t from 'tap'; await t.test('passes', async (t) => { t.pass('still run'); });`,
  });
  const files = ['closes', 'throws', 'fails', 'passes'].map((name) => `${relative(ROOT, folder)}/${name}.js`);
  const source = `import t from 'tap';
    import { runTogether } from './test/runner/together.js';
    await runTogether(t, ${JSON.stringify(files)});`;
  const { code, output } = await runSource(source);
  t.not(code, 0);
  t.match(output, /ok 1 - late[^]*# closed[^]*# throws[^]*not ok 2 - \S*throws\.js ran to its end/);
  t.match(output, /broken on purpose/);
  t.match(output, /not ok 1 - wrong[^]*ok 1 - still run[^]*# \{ total: 4, pass: 2, fail: 2 \}/);
});

function runSource(source: string): Promise<{ code: number; output: string }> {
  // Without what tap tells its own test processes, the output is that of a person's `node file`.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/TAP/.test(name)));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=module', '--eval', source],
      { cwd: ROOT, env: { ...env, TAP_TIMEOUT: '30' } },
      (error, stdout, stderr) => {
        resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
      },
    );
  });
}
