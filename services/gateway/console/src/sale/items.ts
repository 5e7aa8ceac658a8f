import type { Item } from '../page/answers.ts';
import { button, element, table } from '../page/dom.ts';
import { say, textOf } from '../page/words.ts';

export type ItemVerb = 'restock' | 'adjust' | 'pause' | 'resume';

export const sum = (items: Item[], count: 'total' | 'available' | 'held' | 'paid'): number =>
  // Kits are left out, because their units are those of their parts and would be counted twice.
  items.reduce((all, item) => all + (item.components === undefined ? item[count] : 0), 0);

/** The items with their counts, and what can be done to each. */
export function itemsTable(items: Item[], steer: (verb: ItemVerb, sku: string) => void): HTMLElement {
  const heads = [say('items'), say('total'), say('available'), say('held'), say('paid'), say('action')];
  return table(
    say('items'),
    heads,
    items.map(({ sku, title, paused, components, ...counts }) => {
      // A kit has no units of its own.
      const ofUnits: ItemVerb[] = components === undefined ? ['restock', 'adjust'] : [];
      const verbs = [...ofUnits, paused === true ? 'resume' : 'pause'] as const;
      const acts = verbs.map((verb) =>
        button(say(verb), () => {
          steer(verb, sku);
        }),
      );
      const numbers = [counts.total, counts.available, counts.held, counts.paid].map(String);
      return [`${textOf(title)} (${sku})`, ...numbers, element('span', { class: 'row' }, ...acts)];
    }),
  );
}
