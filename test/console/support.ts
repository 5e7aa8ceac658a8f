import type { BrowserContext, Page } from 'playwright-core';
import type { Test } from 'tap';
import { History } from '../../bench/src/audit/history.ts';
import { planCrowd } from '../../bench/src/demo/buyers.ts';
import { runCrowd } from '../../bench/src/demo/crowd.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver, WayIn } from '../../bench/src/demo/way-in.ts';
import { seededRandom } from '../../bench/src/random.ts';
import { startBrowser } from '../support/browser.ts';
import { buildStack, type Client } from '../support/stack.ts';

/** A page of the browser that has the console open, and what an operator finds on it. */
export interface Desk {
  page: Page;
  button: (name: string) => ReturnType<Page['getByRole']>;
  link: (name: string) => ReturnType<Page['getByRole']>;
  card: (name: string) => ReturnType<Page['locator']>;
  region: (name: string) => ReturnType<Page['getByRole']>;
  /** The texts of a table's rows, cell by cell. */
  rows: (name: string) => Promise<string[][]>;
  /** Confirms the dialog that is open, and waits until it is gone. */
  confirm: () => Promise<void>;
  open: () => Promise<void>;
  signIn: () => Promise<void>;
}

export interface Console extends Desk {
  client: Client;
  context: BrowserContext;
  /** An operator's. */
  token: string;
  /** What the browser complained of, its policy of contents included. */
  complaints: string[];
  /** Every address that the page asked for. */
  asked: string[];
  /** A colleague's page in the same browser. */
  beside: () => Promise<Desk>;
}

/** The whole system with its console, and a browser that has it open. */
export async function openConsole(t: Test, name: string, program: string): Promise<Console> {
  const client = await buildStack(t, name, { CONSOLE: 'true' });
  const browser = await startBrowser(t, program);
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 900 } });
  const complaints: string[] = [];
  const asked: string[] = [];
  // An answer that is a "no", or that an engine is away, is told on the page.
  context.on('console', (message) => {
    if (message.type() === 'error' && !/status of (4\d\d|503)/.test(message.text()))
      complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('request', (request) => asked.push(request.url()));
  const token = await client.token('operator', true);
  const url = `${client.stack.info.gateway}/console`;
  return {
    client,
    context,
    token,
    complaints,
    asked,
    ...deskOn(await context.newPage(), url, token),
    beside: async () => deskOn(await context.newPage(), url, await client.token('colleague', true)),
  };
}

function deskOn(page: Page, url: string, token: string): Desk {
  page.setDefaultTimeout(20_000);
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const region = (name: string) => page.getByRole('region', { name, exact: true });
  const open = async () => {
    await page.goto(url);
  };
  return {
    page,
    button,
    link: (name) => page.getByRole('link', { name, exact: true }),
    card: (name) => page.locator('.card', { hasText: name }).locator('b').first(),
    region,
    rows: (name) =>
      page.evaluate(`[...document.querySelectorAll('[role=region]')]
        .filter((one) => one.getAttribute('aria-label') === ${JSON.stringify(name)})
        .flatMap((one) => [...one.querySelectorAll('tbody tr')])
        .map((row) => [...row.children].map((cell) => cell.textContent))`),
    async confirm() {
      await button('Do it').click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    },
    open,
    async signIn() {
      await open();
      await page.getByLabel("Operator's token").fill(token);
      // The operator signs in by the keyboard alone.
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Sales' }).waitFor();
    },
  };
}

type Scenario = Parameters<typeof planCrowd>[0];

/** The demo's crowd at the gateway of this console: it buys, pays, cancels, until `leave` is called. */
export function startCrowd(
  { client }: Pick<Console, 'client'>,
  { sale, buyers, seed, waitMs }: { sale: object; buyers: number; seed: number; waitMs: number },
): { leave: () => Promise<unknown> } {
  const leaving = new AbortController();
  const scenario = { sale, windowSeconds: 600, crowding: 4 } as Scenario;
  const wayIn = new WayIn(transportOver(client.http), 64);
  const crowd = runCrowd({
    scenario,
    buyers: planCrowd(scenario, buyers, seededRandom(seed)),
    opensAt: Date.now() + waitMs,
    wayIn,
    provider: new Provider(wayIn.checkout, client.stack.info.webhookSecret),
    history: new History(),
    signal: leaving.signal,
    tokenOf: (userId) => client.token(userId),
  });
  return {
    leave() {
      leaving.abort();
      return crowd;
    },
  };
}

/** Notes the highest rate that the page shows for each outcome, because a crowd is gone in seconds. */
export async function watchRates(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    const seen = (globalThis.ratesSeen = {});
    const look = () => {
      for (const row of document.querySelectorAll('[aria-label="Answers a second"] tbody tr')) {
        const [outcome, rate] = [...row.children].map((cell) => cell.textContent);
        if (/^\\d+\\.\\d$/.test(rate)) seen[outcome] = Math.max(seen[outcome] ?? 0, Number(rate));
      }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  })()`);
}

export const ratesSeen = (page: Page): Promise<Record<string, number>> =>
  page.evaluate('globalThis.ratesSeen');
