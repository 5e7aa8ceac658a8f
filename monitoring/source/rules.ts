import { stringify } from 'yaml';
import { ALERTS } from './alerts.ts';
import { sloRecordings } from './slos.ts';

const MADE =
  '# Made from monitoring/source: SECKILL_UPDATE_SNAPSHOTS=1 npx tap test/house/monitoring.test.ts\n';

export const runbookOf = (alert: string): string => `docs/operating/runbooks/${alert}.md`;

/** The external label of Prometheus that says where the docs of this checkout can be read. */
const DOCS_LABEL = 'seckill_docs';
/** Without the label the path within the checkout is told. */
const linkTo = (alert: string): string =>
  `{{ with $externalLabels.${DOCS_LABEL} }}{{ . }}/{{ end }}${runbookOf(alert)}`;

/** The groups of rules, as Prometheus reads them. A sale lasts minutes, so they are evaluated every 5 s. */
export function ruleGroups() {
  const alerts = ALERTS.map(({ name, expr, for: duration, severity, summary }) => ({
    alert: name,
    expr,
    for: duration,
    labels: { severity },
    annotations: { summary, runbook_url: linkTo(name) },
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

const DOCS = 'https://docs.example/seckill';

/** Each alert fires under the series that it names, and stays silent under the others: promtool's tests. */
export function ruleTests(rulesFile: string): string {
  const cases = ALERTS.flatMap((alert) => [
    alert,
    ...(alert.others ?? []).map((one) => ({ ...alert, ...one })),
  ]);
  const groups = cases.flatMap(({ name, severity, summary, fires, silent }, index) => {
    const eval_time = fires.after ?? '5m';
    const groupOf = (series: Record<string, string>, exp_alerts: unknown[], docs?: string) => ({
      interval: '15s',
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      ...(docs === undefined ? {} : { external_labels: { [DOCS_LABEL]: docs } }),
      alert_rule_test: [{ eval_time, alertname: name, exp_alerts }],
    });
    // Every other one is tried without the label, so that both forms of the link are.
    const docs = index % 2 === 0 ? DOCS : undefined;
    const link = docs === undefined ? runbookOf(name) : `${docs}/${runbookOf(name)}`;
    const fired = {
      exp_labels: { severity, ...fires.labels },
      exp_annotations: { summary, runbook_url: link },
    };
    return [groupOf(fires.series, [fired], docs), groupOf(silent, [])];
  });
  return yaml({ rule_files: [rulesFile], evaluation_interval: '15s', tests: groups });
}
