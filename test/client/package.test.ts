// Goal: what `npm pack` makes installs into an empty project without a network, and works there as an ES
// module, as CommonJS, in TypeScript and in a browser's bundle of under 5 kB. Method: npm, Node.js, the
// compiler, esbuild, publint and "are the types wrong", on the tarball itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { npmCommand, ROOT, run } from '@seckill/stack';
import { build } from 'esbuild';
import t from 'tap';

const PACKAGE = join(ROOT, 'packages/client');
const BYTES_MAX = 5_000;
const TIMEOUT_MS = 120_000;

/** Makes a project that has nothing but the tarball. */
const project = mkdtempSync(join(tmpdir(), 'seckill-client-'));
t.teardown(() => {
  rmSync(project, { recursive: true });
});

/** Runs a program. @throws Error with what the program said, when it fails. */
async function succeed([command = '', ...args]: string[], cwd = project): Promise<string> {
  const { ok, stdout, stderr } = await run(command, args, { timeoutMs: TIMEOUT_MS, cwd });
  if (!ok) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

const npm = npmCommand() ?? ['npm'];
const bin = (name: string): string => join(ROOT, 'node_modules', '.bin', name);
const write = (name: string, text: string): void => {
  writeFileSync(join(project, name), text);
};

const packed = await succeed([...npm, 'pack', '--json', '--pack-destination', project], PACKAGE);
const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf('['))) as [
  { filename: string; files: { path: string }[] },
];
const tarball = join(project, filename);
write('package.json', '{ "private": true }');
await succeed([...npm, 'install', '--offline', '--no-audit', '--no-fund', tarball]);

await t.test('the tarball has what a user needs, and no test', async (t) => {
  const paths = files.map(({ path }) => path);
  for (const path of ['README.md', 'LICENSE', 'dist/index.js', 'dist/commonjs/package.json']) {
    t.ok(paths.includes(path), path);
  }
  t.notOk(paths.some((path) => path.startsWith('test/') || path.endsWith('.tsbuildinfo')));
});

await t.test('the package works as an ES module and as CommonJS', async (t) => {
  const use = `
    const client = createClient({ baseUrl: 'http://127.0.0.1:9', deadlineMs: 300 });
    client.getSale('s').then(({ ok, code }) => console.log(ok, code, typeof wxTransport));`;
  write('use.mjs', `import { createClient, wxTransport } from '@seckill/client';${use}`);
  write('use.cjs', `const { createClient, wxTransport } = require('@seckill/client');${use}`);
  for (const file of ['use.mjs', 'use.cjs']) {
    t.equal(await succeed([process.execPath, file]), 'false outcome_unknown function\n', file);
  }
});

await t.test("the package's types say which call may end with which code", async (t) => {
  const types = (wrong: string): string => `
    import { createClient } from '@seckill/client';
    const client = createClient({ baseUrl: '' });
    export async function buy(): Promise<string | number> {
      const done = await client.reserve('s', { lines: [{ sku: 'a', quantity: 1 }] });
      if (done.ok) return done.value.expiresAt;
      if (done.code === 'sold_out') return done.final ? 0 : done.available;
      return done.code === ${wrong} ? done.key : done.code;
    }`;
  const options = ['--noEmit', '--strict', '--lib', 'ES2020', '--target', 'ES2020'];
  const check = (...names: string[]): Promise<string> =>
    succeed([bin('tsc'), ...options, '--module', 'NodeNext', '--moduleResolution', 'NodeNext', ...names]);
  write('use.mts', types("'sale_closed'"));
  write('use.cts', types("'sale_closed'"));
  write('wrong.mts', types("'refund_done'"));
  await t.resolves(check('use.mts', 'use.cts'));
  await t.rejects(check('wrong.mts'), /TS2367/, 'a code that a reservation never has');
});

await t.test('a browser bundle is under 5 kB, and needs nothing of Node.js', async (t) => {
  write('page.js', `import * as all from '@seckill/client'; globalThis.all = all;`);
  const { outputFiles } = await build({
    absWorkingDir: project,
    entryPoints: ['page.js'],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'iife',
    write: false,
  });
  const [{ text } = { text: '' }] = outputFiles;
  const bytes = gzipSync(text).length;
  t.comment(`${bytes} bytes gzipped`);
  t.ok(bytes < BYTES_MAX, `${bytes} bytes`);
  const page: { all?: Record<string, unknown> } = {};
  runInNewContext(text, page);
  t.same(Object.keys(page.all ?? {}).sort(), ['createClient', 'fetchTransport', 'wxTransport']);
});

await t.test('publint and "are the types wrong" find nothing', async (t) => {
  t.match(await succeed([bin('publint'), 'run', tarball, '--strict']), 'All good');
  await t.resolves(succeed([bin('attw'), tarball, '--no-color']));
});
