/** The storefront in a real browser, beside a whole stack. */
import { findProgram, installPackages, serveStorefront } from '@seckill/stack';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import type { Test } from 'tap';
import { buildStack, type Client } from '../../../test/support/stack.ts';

/** Chromium's program has another name in each distribution. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const find = (): string | undefined => PROGRAMS.map(findProgram).find((file) => file !== undefined);

/** The size of a narrow phone. */
export const PHONE = { width: 360, height: 740 };

export interface Shop {
  system: Client;
  browser: Browser;
  url: string;
}

/** @returns the program; undefined where there is none and none can be installed. */
export async function findBrowser(t: Test): Promise<string | undefined> {
  if (find() === undefined) {
    // The fonts are for Chinese texts.
    await installPackages(['chromium', 'fonts-noto-cjk'], (line) => {
      t.comment(line);
    });
  }
  return find();
}

/** Starts a whole stack and a browser. Both stop with the test. */
export async function openShop(t: Test, name: string, executablePath: string): Promise<Shop> {
  const storefront = await serveStorefront(false);
  t.teardown(() => storefront.stop());
  const system = await buildStack(t, name, { ALLOWED_ORIGINS: storefront.origins.join(',') });
  const { gateway, jwtSecret } = system.stack.info;
  storefront.open({ gateway, jwtSecret });
  // Chromium refuses its sandbox to root, as which CI runs. It shows our own page alone.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args });
  t.teardown(() => browser.close());
  return { system, browser, url: storefront.url };
}

/** The card of an item or sale with this heading. */
export const card = (page: Page, title: string) =>
  page.locator('.card', { has: page.getByRole('heading', { name: title, exact: true }) });
