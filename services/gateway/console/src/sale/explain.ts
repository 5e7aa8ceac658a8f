import { call } from '../page/api.ts';
import { element, table } from '../page/dom.ts';
import { say, timeOf } from '../page/words.ts';

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
    text: string;
    do: string;
  }[];
  /** Counts of the ledger are absent while order cannot be asked. */
  items: ({ sku: string } & Partial<Record<Count, number>>)[];
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
  const reasons = because.map(({ stops, since, until, by, reason, ...words }) => [
    element('span', { class: stops === 'all' ? 'bad' : '' }, words.text),
    [timeOf(since), until === undefined ? '' : `→ ${timeOf(until)}`].join(' '),
    [by, reason].filter((one) => one !== undefined).join(' · '),
    words.do,
  ]);
  const heads = [say('what'), say('since'), say('by'), say('doThis')];
  return element(
    'div',
    {},
    element('p', { class: selling ? 'good' : 'bad' }, say(selling ? 'selling' : 'notSelling')),
    ...(reasons.length === 0 ? [] : [table(say('what'), heads, reasons)]),
    table(`${say('explain')}: ${say('items')}`, [say('items'), ...Object.values(names)], rows),
  );
}
