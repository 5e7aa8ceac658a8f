// Goal: alerts, their runbooks and the dashboards agree with the metrics in the code, and what is committed
// is made from monitoring/source. Method: names are read from the expressions and looked up in the table of
// docs/operating/metrics.md, which test/house/metrics.test.ts holds to the code. SECKILL_UPDATE_SNAPSHOTS=1
// writes the files anew. test/telemetry tries whether alerts fire.
import { statSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { ALERTS } from '../../monitoring/source/alerts.ts';
import { DASHBOARDS, grafanaJson } from '../../monitoring/source/dashboards.ts';
import { prometheusRuleResource, prometheusRules, runbookOf } from '../../monitoring/source/rules.ts';
import { sloRecordings } from '../../monitoring/source/slos.ts';
import { filesBelow, namesIn, read, rowsOf } from './support.ts';

const MADE: Record<string, string> = {
  'monitoring/rules.yml': prometheusRules(),
  'k8s/components/monitoring/rules.yaml': prometheusRuleResource(),
  ...Object.fromEntries(
    DASHBOARDS.map((one) => [`k8s/components/monitoring/dashboards/${one.uid}.json`, grafanaJson(one)]),
  ),
};

void t.test('rules and dashboards are the ones that their source makes', async (t) => {
  for (const [path, text] of Object.entries(MADE)) {
    if (process.env['SECKILL_UPDATE_SNAPSHOTS'] === '1') {
      writeFileSync(new URL(`../../${path}`, import.meta.url), text);
    }
    t.equal(read(path), text, `${path}: SECKILL_UPDATE_SNAPSHOTS=1 writes it anew`);
  }
  const listed = filesBelow('k8s/components/monitoring/dashboards', '.json');
  t.same(
    listed.sort(),
    Object.keys(MADE)
      .filter((path) => path.endsWith('.json'))
      .sort(),
  );
  const component = read('k8s/components/monitoring/kustomization.yaml');
  for (const { uid } of DASHBOARDS) t.match(component, `dashboards/${uid}.json`);
});

void t.test('each alert has a runbook, and each runbook an alert', async (t) => {
  const names = ALERTS.map(({ name }) => name);
  t.equal(new Set(names).size, names.length, 'no name twice');
  t.same(filesBelow('docs/operating/runbooks', '.md'), names.map(runbookOf).sort());
  for (const name of names) {
    const headings = [...read(runbookOf(name)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
    t.same(headings, [name, 'Look', 'Do', 'Over when']);
  }
});

void t.test('alerts and dashboards read metrics that exist, with labels that they have', async (t) => {
  const metrics = new Map(
    rowsOf(['docs/operating/metrics.md'], 'name').map(({ cells: [name = '', , labels = ''] }) => [
      namesIn(name)[0] ?? '',
      new Set(namesIn(labels)),
    ]),
  );
  const exprs = [
    ...ALERTS.map(({ expr }) => expr),
    ...sloRecordings().map(({ expr }) => expr),
    ...DASHBOARDS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
  ];
  let count = 0;
  for (const expr of exprs) {
    for (const [, found = '', selector = ''] of expr.matchAll(/\b(seckill_[a-z_]+)(?:\{([^}]*)\})?/g)) {
      const name = metrics.has(found) ? found : found.replace(/_(bucket|count|sum)$/, '');
      t.ok(metrics.has(name), `${found} in ${expr}`);
      for (const [, label = ''] of selector.matchAll(/(\w+)=~?"/g)) {
        t.ok(label === 'le' || metrics.get(name)?.has(label), `${label} of ${found}`);
      }
      count += 1;
    }
  }
  t.ok(count > 80, `${count} places`);
});

void t.test('each panel says what it shows, in which unit, and to whom its lines belong', async (t) => {
  for (const { uid, panels } of DASHBOARDS) {
    t.equal(new Set(panels.map(({ title }) => title)).size, panels.length, uid);
    for (const { title, description, unit, queries } of panels) {
      t.match(description, /^[A-Z].{10,}\.$/, title);
      t.ok(unit !== '' && queries.length > 0, title);
      for (const { expr, legend } of queries) {
        t.ok(legend !== '', `${title}: ${expr}`);
        t.notMatch(expr, /rate\([^[]*\[\d/, `${title}: a rate is over $__rate_interval`);
      }
    }
  }
});

void t.test(
  'Prometheus of compose scrapes each service, where compose has it tell its metrics',
  async (t) => {
    const compose = parse(read('docker-compose.yml'), { merge: true }) as {
      services: Record<string, { environment?: Record<string, string> }>;
    };
    const told = Object.entries(compose.services).flatMap(([name, { environment }]) => {
      const port = environment?.['METRICS_PORT'];
      return port === undefined ? [] : [`${name}:${port}`];
    });
    const { scrape_configs } = parse(read('monitoring/prometheus.yml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const scraped = scrape_configs.flatMap(({ static_configs }) =>
      static_configs.flatMap(({ targets }) => targets),
    );
    t.equal(told.length, 3);
    t.same(scraped.sort(), told.sort());
  },
);

interface Observed {
  image: string;
  profiles: string[];
  volumes: string[];
  ports: string[];
}

void t.test(
  'the profile of compose brings what Prometheus and Grafana read, to where they read it',
  async (t) => {
    const compose = parse(read('docker-compose.yml'), { merge: true }) as {
      services: Record<'prometheus' | 'grafana', Observed>;
      volumes: Record<string, unknown>;
    };
    /** What lies in the checkout, by where a container sees it. */
    const mountsOf = ({ profiles, volumes }: Observed) => {
      t.same(profiles, ['observability']);
      return new Map(
        volumes.flatMap((volume) => {
          const [from = '', to = '', mode = 'rw'] = volume.split(':');
          if (!from.startsWith('./')) {
            t.ok(from in compose.volumes, `${from} is a volume`);
            return [];
          }
          t.equal(mode, 'ro', `${from} is the truth`);
          return [[to, from.slice(2)] as const];
        }),
      );
    };
    const { prometheus, grafana } = compose.services;
    const isFolder = (path: string) => statSync(new URL(`../../${path}`, import.meta.url)).isDirectory();

    const inPrometheus = mountsOf(prometheus);
    const config = inPrometheus.get('/etc/prometheus/prometheus.yml') ?? '';
    const { rule_files } = parse(read(config)) as { rule_files: string[] };
    for (const file of rule_files) t.equal(inPrometheus.get(file), 'monitoring/rules.yml');
    t.notOk([...inPrometheus.values()].some(isFolder));

    const inGrafana = mountsOf(grafana);
    // Grafana looks below this folder for `datasources` and `dashboards`.
    const provisioning = inGrafana.get('/etc/grafana/provisioning') ?? '';
    const { providers } = parse(read(`${provisioning}/dashboards/seckill.yml`)) as {
      providers: { type: string; allowUiUpdates: boolean; options: { path: string } }[];
    };
    t.match(providers, [{ type: 'file', allowUiUpdates: false }]);
    const shown = filesBelow(inGrafana.get(providers[0]?.options.path ?? '') ?? '', '.json');
    t.equal(shown.length, DASHBOARDS.length, 'every dashboard is where Grafana looks for it');
    for (const uid of DASHBOARDS.map((one) => one.uid))
      t.ok(shown.some((path) => path.endsWith(`/${uid}.json`)));

    const { datasources } = parse(read(`${provisioning}/datasources/prometheus.yml`)) as {
      datasources: { type: string; url: string; isDefault: boolean }[];
    };
    const port = /:(\d+)$/.exec(prometheus.ports[0] ?? '')?.[1];
    t.match(datasources, [{ isDefault: true, url: `http://prometheus:${port}` }]);
    const [type] = datasources.map((one) => one.type);
    for (const path of shown) {
      const { templating, panels } = JSON.parse(read(path)) as {
        templating: { list: { name: string; type: string; query: string }[] };
        panels: { datasource: object; targets: { datasource: object }[] }[];
      };
      // Whoever has several sources chooses; with one it is taken.
      t.match(templating.list, [{ name: 'datasource', type: 'datasource', query: type }], path);
      const asked = panels.flatMap(({ datasource, targets }) => [
        datasource,
        ...targets.map((one) => one.datasource),
      ]);
      t.ok(asked.length > 0);
      for (const one of asked) t.same(one, { type, uid: '${datasource}' }, path);
    }
  },
);
