import type { OrderPage, PickupPage, SaleReport } from '@seckill/contracts';
import { loadAverage, openMeasurement } from '../measurement.ts';
import type { BenchValues } from '../options.ts';
import { median } from '../statistics.ts';
import { describeEnvironment } from '../target/environment.ts';
import { openTarget, type Target } from '../target/target.ts';
import { storeSoldSale } from './sold-sale.ts';

const ORDERS = 1_000_000;
const QUICK_ORDERS = 20_000;
const REPORTS = 5;
const PAGES = 20;
/** The report adds everything up; a page reads what it shows. */
const REPORT_MS_MAX = 2_000;
const PAGE_MS_MAX = 50;

interface Figure {
  name: string;
  medianMs: number;
  maxMs: number;
  target: number;
}

/**
 * `npm run bench -- after-sale`: how long operators wait with a million orders, through the gateway: for a
 * report, and for pages of the lists of orders and of pick-ups. The report is held against what was stored.
 */
export async function afterSale(values: BenchValues): Promise<number> {
  const { isQuick, rounds, log, write } = openMeasurement(values, {
    name: 'after-sale',
    takes: ['rounds', 'quick', 'json'],
    rounds: REPORTS,
    quickRounds: REPORTS,
  });
  const count = isQuick ? QUICK_ORDERS : ORDERS;
  const target = await openTarget({ log });
  try {
    if (target.info === undefined) throw new Error('no stack of our own');
    const environment = await describeEnvironment(target);
    log(`storing ${count} orders`);
    const saleId = await storeSoldSale(target, count);
    const path = `/v1/sales/${saleId}`;
    const figures: Figure[] = [];
    const time = async (name: string, of: string, times: number, limit: number): Promise<unknown> => {
      const taken: number[] = [];
      let answer: unknown;
      for (let turn = 0; turn < times; turn += 1) {
        const startedAt = performance.now();
        answer = await ask(target, of);
        taken.push(performance.now() - startedAt);
      }
      const figure = { name, medianMs: median(taken), maxMs: Math.max(...taken), target: limit };
      figures.push(figure);
      log(`${name}: median ${figure.medianMs.toFixed(1)} ms, max ${figure.maxMs.toFixed(1)} ms`);
      return answer;
    };
    const report = (await time('report', `${path}/report`, rounds, REPORT_MS_MAX)) as SaleReport;
    await time('report as CSV', `${path}/report?format=csv&table=refs`, rounds, REPORT_MS_MAX);
    const page = async (name: string, query: string) => time(name, `${path}/${query}`, PAGES, PAGE_MS_MAX);
    await page('orders, first page', 'orders?limit=100');
    await page('orders, paid', 'orders?limit=100&status=paid');
    await page('orders of a channel', 'orders?limit=100&channelId=group-7');
    await page('orders, far down', `orders?limit=100&cursor=${await findMiddle(target, path, report)}`);
    await page('pick-ups of a channel', 'pickups?limit=100&channelId=group-7');
    const found = check(report, count);
    for (const finding of found) log(`Wrong: ${finding}`);
    log(`load average ${loadAverage().toFixed(1)}`);
    write({ environment, count, figures });
    if (found.length > 0) return 1;
    // A smoke run is judged only by whether every answer was right.
    return isQuick || figures.every(({ medianMs, target: limit }) => medianMs <= limit) ? 0 : 99;
  } finally {
    await target.close();
  }
}

/** @throws Error when the answer is not 200. */
async function ask({ http, operatorToken }: Target, path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${operatorToken}` };
  const response = await http.request({ method: 'GET', path, headers });
  const text = await response.body.text();
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${text}`);
  return String(response.headers['content-type']).includes('json') ? (JSON.parse(text) as unknown) : text;
}

/** A cursor half-way down the list, as a page there would have answered it. */
async function findMiddle(target: Target, path: string, report: SaleReport): Promise<string> {
  const { minute } = report.perMinute[Math.floor(report.perMinute.length / 2)] ?? { minute: report.asOf };
  const list = (await ask(target, `${path}/pickups?channelId=group-0&limit=1`)) as PickupPage;
  const id = list.data[0]?.orderId ?? '';
  const cursor = Buffer.from(`${Date.parse(minute)} ${id}`).toString('base64url');
  const page = (await ask(target, `${path}/orders?limit=1&cursor=${cursor}`)) as OrderPage;
  if (page.data.length === 0 || page.nextCursor === undefined)
    throw new Error('the middle of the list is empty');
  return page.nextCursor;
}

/** What a report of these orders must say. */
function check({ totals, channels, direct, items }: SaleReport, count: number): string[] {
  const findings: string[] = [];
  const expect = (name: string, one: number, other: number) => {
    if (one !== other) findings.push(`${name}: ${one} and not ${other}`);
  };
  const units = Object.values(totals.units).reduce((sum, one) => sum + one, 0);
  // Three orders in ten have two units.
  expect('units', units, count * 1.3);
  expect('sold', totals.total - totals.available, totals.units.pending + totals.units.paid);
  for (const part of [items, [...channels, direct]]) {
    expect(
      'paid',
      part.reduce((sum, one) => sum + one.units.paid, 0),
      totals.units.paid,
    );
    expect(
      'money',
      part.reduce((sum, one) => sum + one.amountPaid.amount, 0),
      totals.amountPaid.amount,
    );
  }
  return findings;
}
