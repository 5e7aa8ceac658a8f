import { call } from '../page/api.ts';
import { element, table } from '../page/dom.ts';
import { listOf, say, timeOf } from '../page/words.ts';

type Count = 'total' | 'available' | 'held' | 'paid' | 'returned' | 'writtenOff';

interface Explanation {
  selling: boolean;
  /** What stops all comes first. */
  because: {
    code: string;
    stops: 'all' | 'part' | 'nothing';
    since?: string;
    until?: string;
    by?: string;
    reason?: string;
    skus?: string[];
    channels?: string[];
    limits?: { sku?: string; limit: number; buyers: number }[];
    text: string;
    do: string;
  }[];
  /** Counts of the ledger are absent while order cannot be asked. */
  items: ({ sku: string } & Partial<Record<Count, number>>)[];
}

type Cause = Explanation['because'][number];

/** Which items, channels or limits it is about. */
function namesIn({ skus = [], channels = [], limits = [] }: Cause): string {
  const told = limits.map(
    ({ sku, limit, buyers }) =>
      `${sku ?? say('wholeSale')}: ${say('atMost')} ${limit}, ${buyers} ${say('buyers')}`,
  );
  return listOf([...skus, ...channels, ...told]);
}

/** In words: what stops the sale, since when and what to do; and where each unit is. */
export async function readExplanation(path: string): Promise<HTMLElement> {
  const { selling, items, because } = await call<Explanation>('GET', `${path}/explain`);
  const names: Record<Count, string> = {
    total: say('total'),
    available: say('available'),
    held: say('held'),
    paid: say('paid'),
    returned: say('returnedUnits'),
    writtenOff: say('writtenOff'),
  };
  const counts = Object.keys(names) as Count[];
  const rows = items.map((item) => [item.sku, ...counts.map((count) => String(item[count] ?? '?'))]);
  const reasons = because.map((cause) => {
    const { stops, since, until, by, reason } = cause;
    const names = namesIn(cause);
    return [
      element(
        'span',
        {},
        element('span', { class: stops === 'all' ? 'bad' : '' }, cause.text),
        ...(names === '' ? [] : [element('br'), element('b', {}, names)]),
      ),
      [timeOf(since), until === undefined ? '' : `→ ${timeOf(until)}`].join(' '),
      [by, reason].filter((one) => one !== undefined).join(' · '),
      cause.do,
    ];
  });
  const heads = [say('what'), say('since'), say('by'), say('doThis')];
  return element(
    'div',
    {},
    element('p', { class: selling ? 'good' : 'bad' }, say(selling ? 'selling' : 'notSelling')),
    ...(reasons.length === 0 ? [] : [table(say('what'), heads, reasons)]),
    table(`${say('explain')}: ${say('items')}`, [say('items'), ...Object.values(names)], rows),
  );
}
