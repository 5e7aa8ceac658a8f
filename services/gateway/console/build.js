/** Bundles the console's page into services/gateway/dist/console-page: `npm run build` runs it after the compiler. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const from = import.meta.dirname;
const to = join(from, '../dist/console-page');

mkdirSync(to, { recursive: true });
copyFileSync(join(from, 'page/index.html'), join(to, 'index.html'));
await build({
  entryPoints: { console: join(from, 'src/main.ts'), style: join(from, 'page/console.css') },
  outdir: to,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022'],
  logLevel: 'warning',
});
