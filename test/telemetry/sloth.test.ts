// Goal: monitoring/slos.yml is in sloth's form, and our rules of hours and days are those that sloth makes
// of it. Method: sloth itself reads the file, and its rules are compared with ours but for blanks. Sloth must
// be in PATH (`go install github.com/slok/sloth/cmd/sloth@v0.16.0`); to build it takes minutes of both cores.
import { join } from 'node:path';
import { findProgram, ROOT, run } from '@seckill/stack';
import t from 'tap';
import { parse } from 'yaml';
import { sloAlerts, sloRecordings } from '../../monitoring/source/slos.ts';

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
