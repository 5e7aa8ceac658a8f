// Goal: the metrics in the code are the catalogue, and docs/operating/metrics.md is made from it.
// Method: every metrics.ts of a service registers its metrics in a real registry. The table is written from
// that registry by SECKILL_UPDATE_SNAPSHOTS=1, and otherwise compared with it.
import { writeFileSync } from 'node:fs';
import { createRegistry, type Registry } from '@seckill/runtime';
import t from 'tap';
import { filesBelow, read } from './support.ts';

const PAGE = 'docs/operating/metrics.md';
const BEGIN =
  '<!-- The table is made from the code: SECKILL_UPDATE_SNAPSHOTS=1 and test/house/metrics.test.ts -->\n\n';
const END = '\n<!-- end of the table -->';

interface Metric {
  name: string;
  help: string;
  type: string;
  labelNames: string[];
}

/**
 * What each label may say: one of a few words of ours, or a value that is bounded as the text says. No caller
 * can make a series.
 */
const LABELS: Record<string, string> = {
  outcome: 'words of ours',
  reason: 'words of ours',
  result: 'words of ours',
  source: 'words of ours',
  state: 'words of ours',
  verdict: 'words of ours',
  found: 'words of ours',
  way: 'words of ours',
  target: 'words of ours',
  pool: 'words of ours, one a role',
  invariant: 'INV-1 to INV-6',
  currency: 'three letters, of refunds that are due, ten at a time',
  method: 'methods that the server of Node.js takes',
  route: 'templates of routes, and `unknown`',
  status: 'statuses that we answer',
  lane: 'lanes that have sold and are not retired: `<sale>:<lane>`, of sales that operators made',
};

type Register = (registry: Registry, source: unknown) => unknown;

async function registered(): Promise<Map<string, Metric>> {
  const registry = createRegistry();
  for (const file of filesBelow('services', '/metrics.ts').filter((path) => path.includes('/src/'))) {
    const functions = (await import(`../../${file}`)) as Record<string, unknown>;
    for (const register of Object.values(functions)) {
      // Some metrics ask a source when they are scraped, which nobody does here.
      if (typeof register === 'function') (register as Register)(registry, () => 0);
    }
  }
  const metrics = registry.getMetricsAsArray() as unknown as Metric[];
  return new Map(metrics.map((metric) => [metric.name, metric]));
}

function tableOf(metrics: Iterable<Metric>): string {
  const rows = [...metrics]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${help.replaceAll('|', '\\|')} |`;
    });
  return ['| name | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

void t.test('the table of metrics is the one that the code makes', async (t) => {
  const metrics = await registered();
  t.ok(metrics.size > 70, 'the services register their metrics');
  const page = read(PAGE);
  const [before = '', rest = ''] = page.split(BEGIN);
  const [, after = ''] = rest.split(END);
  const expected = `${before}${BEGIN}${tableOf(metrics.values())}\n${END}${after}`;
  if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') {
    writeFileSync(new URL(`../../${PAGE}`, import.meta.url), expected);
    return;
  }
  t.equal(page, expected, 'SECKILL_UPDATE_SNAPSHOTS=1 writes it anew');
});

void t.test('each metric says what it means, and no caller can make a series', async (t) => {
  for (const { name, help, labelNames, type } of (await registered()).values()) {
    t.match(name, /^seckill_(gateway|stock|order)_[a-z_]+$/);
    t.match(help, /^[A-Z`][^\n]{10,}[^.]$/, name);
    t.equal(
      name.endsWith('_total'),
      type === 'counter',
      `${name}: a counter ends in _total, and nothing else does`,
    );
    t.ok(labelNames.length <= 3, `${name}: labels multiply`);
    for (const label of labelNames) t.ok(label in LABELS, `${name}: ${label} is a label with a bound`);
  }
});

void t.test('no metric is made anywhere but in a metrics.ts', async (t) => {
  const metrics = await registered();
  for (const file of filesBelow('services', '.ts').filter((path) => path.includes('/src/'))) {
    for (const [, name = ''] of read(file).matchAll(/name: '(seckill_\w+)'/g)) {
      t.ok(metrics.has(name), `${name} of ${file}`);
    }
  }
});
