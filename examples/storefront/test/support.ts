/** The storefront in a real browser, beside a whole stack. */
import { serveStorefront } from '@seckill/stack';
import type { Browser, Page } from 'playwright-core';
import type { Test } from 'tap';
import { startBrowser } from '../../../test/support/browser.ts';
import { buildStack, type Client } from '../../../test/support/stack.ts';

/** The size of a narrow phone. */
export const PHONE = { width: 360, height: 740 };

export interface Shop {
  system: Client;
  browser: Browser;
  url: string;
}

/** Starts a whole stack and a browser. Both stop with the test. */
export async function openShop(t: Test, name: string, executablePath: string): Promise<Shop> {
  const storefront = await serveStorefront(false);
  t.teardown(() => storefront.stop());
  const system = await buildStack(t, name, { ALLOWED_ORIGINS: storefront.origins.join(',') });
  const { gateway, jwtSecret } = system.stack.info;
  storefront.open({ gateway, jwtSecret });
  const browser = await startBrowser(t, executablePath);
  return { system, browser, url: storefront.url };
}

/** The card of an item or sale with this heading. */
export const card = (page: Page, title: string) =>
  page.locator('.card', { has: page.getByRole('heading', { name: title, exact: true }) });
