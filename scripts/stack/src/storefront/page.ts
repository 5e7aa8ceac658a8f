/** The files of the example storefront, made from its sources when the stack starts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../names.ts';

const FOLDER = join(ROOT, 'examples/storefront');

export interface PageFile {
  type: string;
  text: string;
}

/** Path to file. A bundle takes a tenth of a second, so none is kept. */
export async function buildPage(): Promise<Map<string, PageFile>> {
  // Most who start a stack show no page.
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: FOLDER,
    entryPoints: ['src/main.ts'],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['seckill-source'],
    write: false,
    logLevel: 'silent',
  });
  const script = outputFiles[0]?.text ?? '';
  const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
  return new Map([
    ['/', { type: 'text/html; charset=utf-8', text: read('index.html') }],
    ['/style.css', { type: 'text/css; charset=utf-8', text: read('style.css') }],
    ['/main.js', { type: 'text/javascript; charset=utf-8', text: script }],
  ]);
}
