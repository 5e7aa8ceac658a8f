/**
 * Sales for a storefront whose stack has none yet: one to buy from, one with few units, and one that has not
 * opened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { signToken } from '../services/jwt.ts';

const MINUTE_MS = 60_000;
const TIMEOUT_MS = 10_000;
const ATTEMPTS_MAX = 20;
const RETRY_MS = 1_000;

const both = (zh: string, en: string) => ({ zh, en });
const price = (amount: number) => ({ amount, currency: 'CNY' });
const inMinutes = (count: number): string => new Date(Date.now() + count * MINUTE_MS).toISOString();

const exampleSales = () => [
  {
    id: 'spring-fruit',
    title: both('产地鲜果 限时秒杀', 'Fruit straight from the grove'),
    description: both('今早采摘，明早自提。', 'Picked this morning, collected tomorrow.'),
    closesAt: inMinutes(240),
    holdSeconds: 300,
    limitPerBuyer: 4,
    items: [
      {
        sku: 'orange-5kg',
        title: both('赣南脐橙 5kg', 'Navel oranges 5 kg'),
        description: both('皮薄多汁，当季现摘。', 'Thin skin, much juice, of this season.'),
        price: price(2_990),
        total: 200,
      },
      {
        sku: 'mango-3kg',
        title: both('百色芒果 3kg', 'Mangoes 3 kg'),
        description: both('自然成熟。', 'Ripened on the tree.'),
        price: price(3_590),
        total: 120,
      },
    ],
  },
  {
    id: 'last-pears',
    title: both('最后三箱梨', 'The last three boxes of pears'),
    closesAt: inMinutes(240),
    holdSeconds: 120,
    items: [{ sku: 'pear-2kg', title: both('雪梨 2kg', 'Snow pears 2 kg'), price: price(1_990), total: 3 }],
  },
  {
    id: 'tea-soon',
    title: both('明前龙井 首发', 'First tea of the year'),
    opensAt: inMinutes(10),
    closesAt: inMinutes(240),
    limitPerBuyer: 2,
    items: [
      { sku: 'tea-100g', title: both('龙井 100g', 'Longjing tea 100 g'), price: price(12_800), total: 50 },
    ],
  },
];

/** A gateway that has just started on a busy machine may be overloaded. */
async function untilAnswered(ask: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask();
    if (answer.status !== 503 || attempt === ATTEMPTS_MAX) return answer;
    await sleep(RETRY_MS);
  }
}

/**
 * Creates them where there is no sale at all: a database of the caller's own keeps what it has.
 * @returns what could not be created, for a person; empty if all is well
 */
export async function createExampleSales(gateway: string, jwtSecret: string): Promise<string[]> {
  const token = await signToken(jwtSecret, { userId: 'operator', isOperator: true });
  const call = async (init: RequestInit): Promise<Response> =>
    fetch(`${gateway}/v1/sales`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  try {
    const answer = await untilAnswered(() => call({}));
    if (!answer.ok) return [`the sales were not listed: ${answer.status} ${await answer.text()}`];
    const { data } = (await answer.json()) as { data: unknown[] };
    if (data.length > 0) return [];
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const troubles = exampleSales().map(async (sale) => {
      const answer = await call({ method: 'POST', headers, body: JSON.stringify(sale) });
      return answer.ok
        ? ''
        : `the example sale ${sale.id} was not created: ${answer.status} ${await answer.text()}`;
    });
    return (await Promise.all(troubles)).filter((trouble) => trouble !== '');
  } catch (error) {
    return [`the example sales were not created: ${String(error)}`];
  }
}
