import { findProgram, installPackages } from '@seckill/stack';
import axe from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { Test } from 'tap';

/** Chromium's program has another name in each distribution. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const find = (): string | undefined => PROGRAMS.map(findProgram).find((file) => file !== undefined);

/**
 * Finds Chromium. Debian's package is installed where that is allowed, with a font for Chinese texts.
 * @returns the program; undefined where there is none and none can be installed.
 */
export async function findBrowser(t: Test): Promise<string | undefined> {
  if (find() === undefined) {
    await installPackages(['chromium', 'fonts-noto-cjk'], (line) => {
      t.comment(line);
    });
  }
  return find();
}

/** Starts a browser that asks nobody outside for anything. The browser ends with the test. */
export async function startBrowser(t: Test, executablePath: string): Promise<Browser> {
  // Chromium refuses its sandbox to root, as which CI runs. This browser shows our own pages alone.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const args = [...root, '--disable-gpu', '--disable-background-networking', '--disable-component-update'];
  const browser = await chromium.launch({ executablePath, args });
  t.teardown(() => browser.close());
  return browser;
}

/** @returns what axe-core finds wrong with the page as it stands. */
export async function findBarriers(page: Page): Promise<string[]> {
  return page.evaluate(`${axe.source}; axe.run(document).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}
