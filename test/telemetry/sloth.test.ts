// Goal: monitoring/slos.yml is in sloth's form, and the committed rules of hours and days are those
// that sloth makes of it. Method: without sloth, the rules are reckoned here from the file once more,
// windows and factors from the shares of the budget that sloth names for 30 days. With sloth, which
// must be in PATH (`go install github.com/slok/sloth/cmd/sloth@v0.16.0`; to build it takes minutes of
// both cores), its own rules are compared with ours but for blanks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, ROOT, run } from '@seckill/stack';
import t from 'tap';
import { parse } from 'yaml';
import { sloAlerts, sloRecordings } from '../../monitoring/source/slos.ts';

interface Spec {
  version: string;
  service: string;
  slos: {
    name: string;
    objective: number;
    description: string;
    labels: Record<string, string>;
    sli: { events: { error_query: string; total_query: string } };
    alerting: Record<'page_alert' | 'ticket_alert', { labels: { severity: string } }> & { name: string };
  }[];
}

const sloth = findProgram('sloth');
const skip = sloth === undefined ? 'sloth is not in PATH' : false;

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels: Record<string, string>;
}

/** Blanks mean nothing in PromQL. */
const bare = (expr: string): string => expr.replaceAll(/\s+/g, '');

const read = (path: string): unknown => parse(readFileSync(join(ROOT, path), 'utf8'), { merge: true });
const hoursOf = (window: string): number =>
  Number.parseInt(window) * { m: 1 / 60, h: 1, d: 24 }[window.slice(-1) as 'm' | 'h' | 'd'];
/** Google's workbook, and sloth: a share of the budget of 30 days that is gone within a long window. */
const SPEEDS = {
  page: [
    { budget: 0.02, long: '1h', short: '5m' },
    { budget: 0.05, long: '6h', short: '30m' },
  ],
  ticket: [
    { budget: 0.1, long: '1d', short: '2h' },
    { budget: 0.1, long: '3d', short: '6h' },
  ],
};

await t.test('the committed rules are reckoned from the SLOs as sloth does it', async (t) => {
  const { version, service, slos } = read('monitoring/slos.yml') as Spec;
  t.equal(version, 'prometheus/v1');
  t.ok(slos.length >= 3);
  const { groups } = read('monitoring/rules.yml') as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  const windows = Object.values(SPEEDS).flatMap((speeds) =>
    speeds.flatMap(({ long, short }) => [long, short]),
  );

  for (const { name, objective, labels, sli, alerting } of slos) {
    t.match(name, /^[a-z][a-z0-9-]+$/);
    t.ok(objective > 0 && objective < 100, `${name}: ${objective} %`);
    const { error_query, total_query } = sli.events;
    for (const query of [error_query, total_query]) t.match(query, '[{{.window}}]', name);
    t.equal(alerting.page_alert.labels.severity, 'page');
    t.equal(alerting.ticket_alert.labels.severity, 'ticket');
    for (const window of windows) {
      const over = (query: string) => query.replaceAll('{{.window}}', window);
      const recorded = rules.filter(
        ({ record, labels: of }) =>
          record === `slo:sli_error:ratio_rate${window}` && of['sloth_slo'] === name,
      );
      t.same(
        recorded.map(({ expr, labels: of }) => [bare(expr), of]),
        [
          [
            bare(`(${over(error_query)}) / (${over(total_query)})`),
            {
              ...labels,
              sloth_id: `${service}-${name}`,
              sloth_service: service,
              sloth_slo: name,
              sloth_window: window,
            },
          ],
        ],
        `${name} over ${window}`,
      );
    }
  }

  const term =
    /max\(slo:sli_error:ratio_rate(\w+)\{sloth_id="([\w-]+)",sloth_service="(\w+)",sloth_slo="([\w-]+)"\}>\(([\d.]+)\*([\d.]+)\)\)without\(sloth_window\)/g;
  for (const [severity, alert] of [
    ['page', 'SeckillBudgetBurn'],
    ['ticket', 'SeckillBudgetBurnSlow'],
  ] as const) {
    const found = rules.filter((rule) => rule.alert === alert);
    t.match(found, [{ labels: { severity } }]);
    const expr = bare(found[0]?.expr ?? '');
    const terms = [...expr.matchAll(term)].map(([, window = '', id, of, slo, factor, budget]) => ({
      window,
      names: [id, of, slo],
      factor: Number(factor),
      budget: Number(budget),
    }));
    const wanted = slos.flatMap(({ name, objective }) =>
      SPEEDS[severity].flatMap(({ budget, long, short }) =>
        [short, long].map((window) => ({
          window,
          names: [`${service}-${name}`, service, name],
          factor: (budget * 30 * 24) / hoursOf(long),
          budget: (100 - objective) / 100,
        })),
      ),
    );
    t.equal(terms.length, wanted.length);
    for (const [index, one] of wanted.entries()) {
      const { window, names, factor, budget } = terms[index] ?? {
        window: '',
        names: [],
        factor: NaN,
        budget: NaN,
      };
      t.same([window, ...names], [one.window, ...one.names], alert);
      t.ok(Math.abs(factor - one.factor) < 1e-9, `${alert}: ${factor} times for ${one.factor}`);
      t.ok(Math.abs(budget - one.budget) < 1e-9, `${alert}: a budget of ${budget} for ${one.budget}`);
    }
    // Both windows of a speed, and any speed of any promise.
    const pair = '(TandT)';
    t.equal(
      expr.replaceAll(term, 'T'),
      Array(wanted.length / 2)
        .fill(pair)
        .join('or'),
      alert,
    );
  }
  for (const { long, short } of Object.values(SPEEDS).flat()) {
    t.ok(Math.abs(hoursOf(long) / hoursOf(short) - 12) < 1e-9, `${short} is a twelfth of ${long}`);
  }
});

await t.test('the rules are the ones that sloth makes of the same file', { skip }, async (t) => {
  const args = ['generate', '--no-log', '-i', join(ROOT, 'monitoring/slos.yml')];
  const made = await run(sloth ?? '', args, { timeoutMs: 60_000 });
  t.ok(made.ok, made.stderr);
  const { groups } = parse(made.stdout) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);

  // The sum over 30 days is left out: it would be reckoned every 5 s, and no alert reads it.
  const theirs = rules.filter(({ record = '' }) => /^slo:sli_error:ratio_rate(?!30d)/.test(record));
  // The minute is of a sale, and sloth knows no such window.
  const ours = sloRecordings().filter(
    ({ record, labels }) => record.startsWith('slo:') && labels['sloth_window'] !== '1m',
  );
  const plain = (all: Pick<Rule, 'record' | 'expr' | 'labels'>[]) =>
    all.map(({ record, expr, labels }) => ({ record, expr: bare(expr), labels }));
  t.ok(theirs.length >= 21, `${theirs.length} recordings`);
  t.same(plain(ours), plain(theirs));

  for (const [severity, name] of [
    ['page', 'SeckillBudgetBurn'],
    ['ticket', 'SeckillBudgetBurnSlow'],
  ] as const) {
    const alerts = rules.filter(
      ({ alert, labels }) => alert !== undefined && labels['severity'] === severity,
    );
    t.equal(alerts.length, 3);
    const our = sloAlerts().find((one) => one.name === name)?.expr ?? '';
    t.equal(bare(our), alerts.map(({ expr }) => bare(expr)).join('or'), name);
  }
});
