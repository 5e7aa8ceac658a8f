import { stringify } from 'yaml';
import { ALERTS } from './alerts.ts';
import { sloRecordings } from './slos.ts';

const MADE =
  '# Made from monitoring/source: SECKILL_UPDATE_SNAPSHOTS=1 npx tap test/house/monitoring.test.ts\n';

export const runbookOf = (alert: string): string => `docs/operating/runbooks/${alert}.md`;

/** The groups of rules, as Prometheus reads them. A sale lasts minutes, so they are evaluated every 5 s. */
export function ruleGroups() {
  const alerts = ALERTS.map(({ name, expr, for: duration, severity, summary }) => ({
    alert: name,
    expr,
    for: duration,
    labels: { severity },
    annotations: { summary, runbook_url: runbookOf(name) },
  }));
  return [
    { name: 'seckill-slos', interval: '5s', rules: sloRecordings() },
    { name: 'seckill', interval: '5s', rules: alerts },
  ];
}

const yaml = (content: unknown): string => MADE + stringify(content, { lineWidth: 0 });

/** For Prometheus itself: compose, and the tests. */
export function prometheusRules(): string {
  return yaml({ groups: ruleGroups() });
}

/** For the Prometheus operator. */
export function prometheusRuleResource(): string {
  return yaml({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'seckill' },
    spec: { groups: ruleGroups() },
  });
}

/** Without their interval, for tests that look at hours. */
export function slowRules(): string {
  return yaml({ groups: ruleGroups().map(({ name, rules }) => ({ name, rules })) });
}

/** Each alert fires under the series that it names, and stays silent under the others: promtool's tests. */
export function ruleTests(rulesFile: string): string {
  const groups = ALERTS.flatMap(({ name, severity, summary, fires, silent }) => {
    const eval_time = fires.after ?? '5m';
    const groupOf = (series: Record<string, string>, exp_alerts: unknown[]) => ({
      interval: '15s',
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      alert_rule_test: [{ eval_time, alertname: name, exp_alerts }],
    });
    const fired = {
      exp_labels: { severity, ...fires.labels },
      exp_annotations: { summary, runbook_url: runbookOf(name) },
    };
    return [groupOf(fires.series, [fired]), groupOf(silent, [])];
  });
  return yaml({ rule_files: [rulesFile], evaluation_interval: '15s', tests: groups });
}
