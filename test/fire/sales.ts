import type { Front } from './front.ts';
import type { Operations } from './operations.ts';

/** What a buyer finds in a sale, and what the judgement knows of it. */
export interface FireSale {
  id: string;
  items: { sku: string; price: number; total: number; step: number }[];
  channels: { id: string; cap?: number }[];
  limitPerBuyer?: number;
}

const CLOSES_IN_MS = 4 * 3_600_000;

const moneyOf = (amount: number) => ({ amount, currency: 'CNY' });

/**
 * Three sales. `scarce` has less than the crowd wants, short holds, and late money that takes units again;
 * `plenty` never sells out; `probe` is never steered: it tells whether anything can be sold at all.
 */
export async function openSales(
  front: Front,
  operations: Operations,
  seed: number,
  minutes: number,
): Promise<Record<'scarce' | 'plenty' | 'probe', FireSale>> {
  const scarce = Math.ceil(150 + 200 * minutes);
  const open = async (
    name: string,
    totals: Record<string, number>,
    more: { holdSeconds: number; limitPerBuyer?: number; lateMoney?: string },
  ): Promise<FireSale> => {
    const id = `${name}-${seed}`;
    const items = Object.entries(totals).map(([sku, total], index) => ({
      sku,
      price: 100 * (index + 1),
      total,
      step: sku === 'crate' ? 2 : 1,
    }));
    const channels = [
      { id: 'capped', kind: 'community', title: 'Capped', cap: 40 + Math.ceil(60 * minutes) },
      { id: 'free', kind: 'content', title: 'Free' },
    ];
    const body = {
      id,
      title: `Under fire: ${name}`,
      closesAt: new Date(Date.now() + CLOSES_IN_MS).toISOString(),
      items: items.map(({ price, ...item }) => ({ ...item, title: item.sku, price: moneyOf(price) })),
      channels,
      ...more,
    };
    const answer = await operations.insist('create', id, () =>
      front.send({ method: 'POST', path: '/v1/sales', user: 'operator', isOperator: true, body }),
    );
    if (answer === undefined || answer.status >= 300)
      throw new Error(`${id}: ${answer?.text ?? 'no answer'}`);
    const { limitPerBuyer } = more;
    return { id, items, channels, ...(limitPerBuyer === undefined ? {} : { limitPerBuyer }) };
  };
  return {
    scarce: await open(
      'scarce',
      { a: scarce, b: Math.ceil(scarce / 2) },
      { holdSeconds: 6, limitPerBuyer: 4, lateMoney: 'retake' },
    ),
    plenty: await open(
      'plenty',
      { a: 50_000, b: 50_000, crate: 50_000 },
      { holdSeconds: 15, limitPerBuyer: 8 },
    ),
    probe: await open('probe', { a: 100_000 }, { holdSeconds: 120 }),
  };
}
