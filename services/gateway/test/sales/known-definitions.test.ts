// Goal: the definitions of sales take no more memory than their bound, and those that are read stay. Method:
// definitions of a known size.
import type { SaleRecord } from '@seckill/contracts';
import t from 'tap';
import { KnownDefinitions } from '../../src/sales/known-definitions.ts';

function record(id: string, characters: number): SaleRecord {
  const definition = {
    id,
    title: '',
    opensAt: '2026-11-22T12:00:00.000Z',
    closesAt: '2026-11-22T12:10:00.000Z',
    holdSeconds: 900,
    items: [],
    channels: [],
  };
  const title = 'x'.repeat(characters - JSON.stringify(definition).length);
  return { definition: { ...definition, title }, version: 1, state: 'open', acknowledged: true };
}

await t.test('beyond the bound the definition that was read longest ago is forgotten', async (t) => {
  const known = new KnownDefinitions(1_000);
  const ids = () => ['a', 'b', 'c', 'd'].filter((id) => known.get(id) !== undefined);
  for (const id of ['a', 'b', 'c']) known.set(id, { record: record(id, 300), epoch: 1, sequence: 0 });
  t.same(ids(), ['a', 'b', 'c']);
  known.get('a');
  known.set('d', { record: record('d', 300), epoch: 1, sequence: 0 });
  t.same(ids(), ['a', 'c', 'd'], 'a was read after b');
  known.set('a', { record: record('a', 400), epoch: 2, sequence: 0 });
  t.same(ids(), ['a', 'c', 'd'], 'one that is told again counts once');
  t.equal(known.get('a')?.epoch, 2);
  known.set('b', { record: record('b', 1_000), epoch: 1, sequence: 0 });
  t.same(ids(), ['b'], 'as many go as it takes');
  known.set('a', { record: record('a', 1_000), epoch: 1, sequence: 0 });
  known.delete('a');
  known.delete('a');
  known.set('c', { record: record('c', 1_000), epoch: 1, sequence: 0 });
  t.same(ids(), ['c'], 'what was deleted is not counted');
});
