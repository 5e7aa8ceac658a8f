// Goal: operators find what they look at during a sale: metrics that promtool finds clean, alerts that fire
// and stay silent, dashboards of which every query has data.
// Method: a real Prometheus scrapes the whole system while a crowd empties a sale, pays and cancels.
// Grafana is in none of the registries that tests install from: the queries of its dashboards are asked of
// Prometheus' API, as Grafana would ask them.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, run } from '@seckill/stack';
import t from 'tap';
import { ALERTS } from '../../monitoring/source/alerts.ts';
import { DASHBOARDS } from '../../monitoring/source/dashboards.ts';
import { prometheusRules, ruleTests, slowRules } from '../../monitoring/source/rules.ts';
import { buildStack, createSale, oneItem, until, type Client } from '../support/stack.ts';
import { findPrometheus, makeFolder, startPrometheus } from './prometheus.ts';

const programs = await findPrometheus();
const skip = programs === undefined ? 'no Prometheus here, and none can be installed' : false;
const { prometheus = '', promtool = '' } = programs ?? {};

await t.test('each alert fires when it should, and only then', { skip }, async (t) => {
  const folder = makeFolder(t);
  writeFileSync(join(folder, 'rules.yml'), prometheusRules());
  const check = await run(promtool, ['check', 'rules', join(folder, 'rules.yml')], { timeoutMs: 30_000 });
  t.ok(check.ok, check.stdout + check.stderr);
  writeFileSync(join(folder, 'rules.yml'), slowRules());
  writeFileSync(join(folder, 'tests.yml'), ruleTests('rules.yml'));
  const tried = await run(promtool, ['test', 'rules', 'tests.yml'], { timeoutMs: 150_000, cwd: folder });
  t.ok(tried.ok, tried.stdout + tried.stderr);
});

await t.test(
  'Prometheus of compose takes its configuration, with the rules that it names',
  { skip },
  async (t) => {
    const folder = makeFolder(t);
    const rules = '/etc/prometheus/rules.yml';
    const config = readFileSync(join(ROOT, 'monitoring/prometheus.yml'), 'utf8');
    t.ok(config.includes(rules), 'where compose puts them');
    copyFileSync(join(ROOT, 'monitoring/rules.yml'), join(folder, 'rules.yml'));
    writeFileSync(join(folder, 'prometheus.yml'), config.replace(rules, join(folder, 'rules.yml')));
    const check = await run(promtool, ['check', 'config', join(folder, 'prometheus.yml')], {
      timeoutMs: 30_000,
    });
    t.ok(check.ok, check.stdout + check.stderr);
    t.match(check.stdout + check.stderr, /SUCCESS: \d\d+ rules found/);
  },
);

/** Buys everything and more: some pay, some cancel, the last hear "sold out". */
async function crowd(client: Client, saleId: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const token = await client.token(`buyer-${index}`);
    const answer = await client.send({
      method: 'POST',
      path: `/v1/sales/${saleId}/reservations`,
      token,
      key: `key-${index}`,
      body: { lines: [{ sku: 'a', quantity: 1 }] },
    });
    const end = ['pay', 'cancel', undefined][index % 3];
    if (answer.status === 201 && end !== undefined) {
      await client.send({ method: 'POST', path: `/v1/orders/${String(answer.body['id'])}/${end}`, token });
    }
    await sleep(25);
  }
}

await t.test('metrics are clean, and every query of every dashboard has data', { skip }, async (t) => {
  const client = await buildStack(t, 'telemetry');
  const { metrics } = client.stack.info;
  const urls = Object.values(metrics);
  const server = await startPrometheus(t, prometheus, {
    targets: urls.map((url) => new URL(url).host),
    rules: prometheusRules(),
  });
  const startedAt = Date.now() / 1_000;
  await createSale(client, 'telemetry', { items: [oneItem(150)], limitPerBuyer: 5 });
  await crowd(client, 'telemetry', 400);
  // The last payments and cancellations come back to Redis, and are scraped.
  await sleep(3_000);

  await t.test('promtool finds nothing to complain of', async (t) => {
    for (const url of urls) {
      const stdin = await (await fetch(url)).text();
      const lint = await run(promtool, ['check', 'metrics'], { timeoutMs: 10_000, stdin });
      t.ok(lint.ok, `${url}: ${lint.stdout}${lint.stderr}`);
    }
  });

  await t.test('no rule fails, and a sale that goes well wakes nobody', async (t) => {
    const { groups } = (await server.ask('rules')) as {
      groups: { rules: { name: string; health: string; state?: string; lastError?: string }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    t.ok(rules.length > ALERTS.length);
    t.same(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
    t.same(
      rules.filter(({ state }) => state === 'firing'),
      [],
    );
  });

  for (const { title, panels } of DASHBOARDS) {
    await t.test(title, async (t) => {
      for (const panel of panels) {
        for (const { expr } of panel.queries) {
          const query = expr.replaceAll('$__rate_interval', '10s');
          const range = `start=${startedAt}&end=${Date.now() / 1_000}&step=1`;
          const { result } = (await server.ask(
            `query_range?query=${encodeURIComponent(query)}&${range}`,
          )) as { result: { values: [number, string][] }[] };
          const values = result.flatMap((series) => series.values.map(([, value]) => value));
          t.ok(
            values.some((value) => value !== 'NaN'),
            `${panel.title}: ${query}`,
          );
        }
      }
    });
  }

  await t.test('what is held and paid of a sale that is quiet is told, as the API has it', async () => {
    const token = await client.token('operator', true);
    const query = encodeURIComponent('seckill_stock_units{lane="telemetry:0"}');
    await until('they agree', async () => {
      const { body } = await client.send({ path: '/v1/sales/telemetry', token });
      const [item] = body['items'] as Record<string, unknown>[];
      const { result } = (await server.ask(`query?query=${query}`)) as {
        result: { metric: { state: string }; value: [number, string] }[];
      };
      const told = new Map(result.map(({ metric, value }) => [metric.state, Number(value[1])]));
      return ['total', 'available', 'held', 'paid'].every((state) => told.get(state) === item?.[state]);
    });
  });
});
