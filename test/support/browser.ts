import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { findProgram, installPackages } from '@seckill/stack';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { Test } from 'tap';

/** Debian's chromium, which is installed when we may, with a font for Chinese. Undefined: not to be had. */
export async function findBrowser(): Promise<string | undefined> {
  const find = (): string | undefined => findProgram('chromium') ?? findProgram('google-chrome');
  const there = find();
  if (there !== undefined) return there;
  await installPackages(['chromium', 'fonts-noto-cjk'], () => undefined);
  return find();
}

/** It asks nobody outside for anything, and ends with the test. */
export async function startBrowser(t: Test, executablePath: string): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
  t.teardown(() => browser.close());
  return browser;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds wrong with the page as it stands. */
export async function findBarriers(page: Page): Promise<string[]> {
  return page.evaluate(`${AXE}; axe.run(document).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}
