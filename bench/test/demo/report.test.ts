/**
 * Goal: the demo claims what it has looked at. Method: the verdicts of crowds that want more, and less, than
 * there is.
 */
import { test } from 'tap';
import { formatVerdicts } from '../../src/demo/report.ts';

const SALES = ['oranges', 'mangoes'];

const inv5 = (...crowded: string[]): string =>
  formatVerdicts([], SALES, new Set(crowded)).find((line) => line.startsWith('INV-5')) ?? '';

await test('the demo claims "every unit ends paid" only of sales that more people wanted than there was', async (t) => {
  t.equal(inv5(...SALES), 'INV-5  holds   settled once, back on sale within 2 s, and every unit ends paid');
  t.match(inv5('mangoes'), /every unit of mangoes ends paid \(elsewhere .* may be left\)$/);
  t.match(inv5(), /some units may be left$/);
  t.notMatch(inv5(), /every unit/);
});
