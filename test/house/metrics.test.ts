// Goal: the tables of docs/operating name every metric of the services with its labels, and no other. Method:
// every metrics.ts of a service registers its metrics in a real registry, which is compared with the tables
// and with the names in the code.
import { createRegistry, type Registry } from '@seckill/runtime';
import t from 'tap';
import { filesBelow, namesIn, read, rowsOf } from './support.ts';

type Register = (registry: Registry, source: unknown) => unknown;

/** Labels by name, of all services. */
async function registered(): Promise<Map<string, string[]>> {
  const registry = createRegistry();
  for (const file of filesBelow('services', '/metrics.ts').filter((path) => path.includes('/src/'))) {
    const functions = (await import(`../../${file}`)) as Record<string, unknown>;
    for (const register of Object.values(functions)) {
      // Some observe a source: they ask it when they are scraped, which nobody does here.
      if (typeof register === 'function') (register as Register)(registry, () => 0);
    }
  }
  const metrics = registry.getMetricsAsArray() as unknown as { name: string; labelNames: string[] }[];
  return new Map(metrics.map(({ name, labelNames }) => [name, [...labelNames].sort()]));
}

void t.test('the tables name every metric with its labels, and no other', async (t) => {
  const pages = filesBelow('docs/operating', '.md');
  const documented = rowsOf(pages, 'name')
    .map(({ cells: [name = '', labels = ''] }) => ({ name: namesIn(name)[0] ?? '', labels: namesIn(labels) }))
    .filter(({ name }) => name.startsWith('seckill_'));
  const metrics = await registered();
  t.ok(metrics.size > 50, 'the services register their metrics');
  t.same(documented.map(({ name }) => name).sort(), [...metrics.keys()].sort());
  for (const { name, labels } of documented) t.same([...labels].sort(), metrics.get(name), name);
});

void t.test('no metric is made anywhere but in a metrics.ts', async (t) => {
  const metrics = await registered();
  for (const file of filesBelow('services', '.ts').filter((path) => path.includes('/src/'))) {
    for (const [, name = ''] of read(file).matchAll(/name: '(seckill_\w+)'/g)) {
      t.ok(metrics.has(name), `${name} of ${file}`);
    }
  }
});
