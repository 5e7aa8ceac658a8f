/**
 * Goal: the chart renders what kustomize renders for the same choices, refuses what it must, and is pushed to
 * a registry as it is.
 * Method: the package of `npm run chart` through the real helm, compared object by object with the real
 * kubectl's rendering of an overlay that says the same.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  findKubernetesTools,
  findProgram,
  freePorts,
  installPackages,
  ROOT,
  startChild,
} from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import { test, type Test } from 'tap';
import { parse, stringify } from 'yaml';
import {
  asKustomize,
  byTitle,
  callChart,
  callHelm,
  KEEP,
  kustomizeChoice,
  packChart,
  templateChart,
  withoutHash,
} from './chart.ts';
import { chooseComponents, CHOICES, production, type Choice } from './choices.ts';
import { ALTERNATIVES, combinations, COMPONENTS, copyManifests, type Resource } from './render.ts';
import { titleOf } from './schema.ts';

const tools = await findKubernetesTools();
const copy = copyManifests();
const chart = await packChart();
process.once('exit', () => {
  copy.remove();
  chart.remove();
});

/** The operator's own: a namespace goes with its volumes, and no value is a secret. */
const NOT_OURS = ['Namespace', 'Secret'];

/** @returns what kustomize renders, for the choice is the same with both */
async function compare(t: Test, choice: Choice): Promise<Record<string, Resource>> {
  const ours = await templateChart(tools, chart, choice);
  const theirs = await kustomizeChoice(tools, copy.folder, choice);
  const expected = theirs.filter(({ kind }) => !NOT_OURS.includes(kind)).map(withoutHash);
  t.ok(expected.length >= theirs.length - 2 && ours.length > 40, `${ours.length} resources`);
  t.strictSame(byTitle(ours.map(asKustomize)), byTitle(expected), choice.name);
  return byTitle(expected);
}

await test('helm renders what kustomize renders, of overlays and of other names and numbers', async (t) => {
  for (const choice of CHOICES) await compare(t, choice);
});

await test('the same with each component, and with pairs that change one resource', async (t) => {
  const base = await compare(t, chooseComponents([]));
  const changes = new Map<string, string[]>();
  for (const name of COMPONENTS) {
    const resources = await compare(t, chooseComponents([name]));
    const isChanged = (title: string): boolean => !isDeepStrictEqual(resources[title], base[title]);
    changes.set(name, Object.keys(base).filter(isChanged));
  }
  const pairs = combinations().filter(
    ([one = '', other = '']) =>
      changes.get(one)?.some((title) => changes.get(other)?.includes(title)) === true,
  );
  t.ok(pairs.length > 5, pairs.map((names) => names.join('+')).join());
  for (const names of pairs) await compare(t, chooseComponents(names));
});

await test('what was sold is kept when the release is gone', async (t) => {
  const resources = await templateChart(tools, chart, production);
  const kept = resources.filter(({ metadata }) => metadata.annotations?.[KEEP] === 'keep').map(titleOf);
  t.same(kept.sort(), [
    ...['Cluster postgres', 'Kafka kafka', 'KafkaNodePool broker', 'KafkaNodePool controller'],
    ...[
      'KafkaTopic seckill.dead-letters',
      'KafkaTopic seckill.reservations',
      'KafkaTopic seckill.settlements',
    ],
  ]);
});

await test('the defaults are those of the manifests, and every component has its switch', async (t) => {
  const { components } = parse(readFileSync(join(ROOT, 'k8s/chart/values.yaml'), 'utf8')) as {
    components: Record<string, boolean>;
  };
  t.strictSame(components, Object.fromEntries([...COMPONENTS].sort().map((name) => [name, false])));
});

/** The least that can be installed. */
const LEAST = { images: { seckill: 'seckill:0.1.0' }, secrets: { name: 'seckill' } };

await test('a wrong value is refused, by its name', async (t) => {
  const refused: [values: object, words: RegExp][] = [
    [{}, /'\/secrets': missing property 'name'/],
    [{}, /'\/images': missing property 'seckill'/],
    [{ ...LEAST, secrets: { name: '' } }, /'\/secrets\/name'.*does not match pattern/],
    [{ ...LEAST, images: { seckill: 'seckill' } }, /'\/images\/seckill'.*does not match pattern/],
    [
      { ...LEAST, images: { seckill: 'localhost:5000/seckill' } },
      /'\/images\/seckill'.*does not match pattern/,
    ],
    [{ ...LEAST, images: { seckill: 'seckill:latest' } }, /'\/images\/seckill'.*'not' failed/],
    [{ ...LEAST, images: { ...LEAST.images, reddis: 'a:1' } }, /'\/images'.*'reddis' not allowed/],
    [{ ...LEAST, replica: {} }, /additional properties 'replica' not allowed/],
    [{ ...LEAST, replicas: { gateway: '2' } }, /'\/replicas\/gateway': got string, want integer/],
    [{ ...LEAST, replicas: { 'order-intake': 13 } }, /'\/replicas\/order-intake': maximum: got 13, want 12/],
    [{ ...LEAST, replicas: { order: 2 } }, /'\/replicas'.*'order' not allowed/],
    [{ ...LEAST, components: { redis: 'on it' } }, /'\/components\/redis': got string, want boolean/],
    [{ ...LEAST, hosts: ['https://sale.example.com'] }, /'\/hosts\/0'.*does not match pattern/],
    [{ ...LEAST, cpu: { gateway: 1 } }, /'\/cpu\/gateway': got number, want string/],
    [
      { ...LEAST, variables: { order: { BATCH: 5 } } },
      /'\/variables\/order\/BATCH': got number, want string/,
    ],
    [
      { ...LEAST, variables: { gateway: { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=x' } } },
      /invalid propertyName 'OTEL_EXPORTER_OTLP_HEADERS'/,
    ],
    [
      { ...LEAST, variables: { order: { DATABASE_URL: 'postgres://' } } },
      /invalid propertyName 'DATABASE_URL'/,
    ],
    [{ ...LEAST, components: { ingress: true } }, /hosts is empty/],
    [{ ...LEAST, components: { 'gateway-api': true } }, /hosts is empty/],
    [{ ...LEAST, components: { 'cloudnative-pg': true } }, /backups\.destination is empty/],
    [{ ...LEAST, autoscaling: { gateway: { min: 20 } } }, /autoscaling\.gateway\.min is more than its max/],
    ...ALTERNATIVES.map(([one = '', other = '']): [object, RegExp] => [
      {
        ...LEAST,
        hosts: ['a.example'],
        backups: { destination: 's3://a/b' },
        components: { [one]: true, [other]: true },
      },
      /are two answers to one question/,
    ]),
  ];
  t.match(await callHelm(tools, ['template', 'seckill', chart.file], LEAST), { ok: true });
  for (const [values, words] of refused) {
    const { ok, stderr } = await callHelm(tools, ['template', 'seckill', chart.file], values);
    t.notOk(ok, JSON.stringify(values));
    t.match(stderr, words);
  }
});

await test('a Kubernetes that is too old is refused', async (t) => {
  const args = ['template', 'seckill', chart.file, '--kube-version'];
  t.match(await callHelm(tools, [...args, '1.30.0'], LEAST), { ok: true });
  t.match(await callHelm(tools, [...args, '1.29.9'], LEAST), { ok: false, stderr: /requires kubeVersion/ });
});

await test('helm lint finds nothing', async (t) => {
  const { values } = production satisfies Choice;
  const { ok, stdout } = await callHelm(tools, ['lint', '--strict', chart.file], values);
  t.ok(ok, stdout);
  t.match(stdout, /0 chart\(s\) failed/);
});

const said: string[] = [];
const isInstalled = (): Promise<boolean> => installPackages(['docker-registry'], (line) => said.push(line));
const registry =
  findProgram('docker-registry') ?? ((await isInstalled()) ? findProgram('docker-registry') : undefined);
const withoutRegistry =
  registry === undefined &&
  `docker-registry is neither in PATH nor to be installed (Debian, as root). ${said.join(' ')}`;

await test(
  'the package is pushed to a registry and rendered from there',
  { skip: withoutRegistry },
  async (t) => {
    const [port = 0] = await freePorts(1);
    const config = {
      version: '0.1',
      storage: { filesystem: { rootdirectory: join(chart.folder, 'registry') } },
      http: { addr: `127.0.0.1:${port}` },
    };
    writeFileSync(join(chart.folder, 'registry.yml'), stringify(config));
    const server = await startChild({
      name: 'docker-registry',
      command: registry ?? '',
      args: ['serve', join(chart.folder, 'registry.yml')],
      env: process.env,
      cwd: chart.folder,
      output: { file: join(chart.folder, 'registry.log') },
    });
    t.teardown(() => server.stop());
    const asked = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      );
    await untilWithin(30_000)('the registry', asked);
    const charts = `oci://127.0.0.1:${port}/charts`;
    const pushed = await callChart('--out', chart.folder, '--push', charts, '--plain-http');
    t.match(pushed, {
      ok: true,
      stdout: /Pushed: 127\.0\.0\.1:\d+\/charts\/seckill:0\.1\.0\nDigest: sha256:/,
    });
    const args = ['template', 'seckill', `${charts}/seckill`, '--version', '0.1.0', '--plain-http'];
    const fromRegistry = await callHelm(tools, args, LEAST);
    const fromFile = await callHelm(tools, ['template', 'seckill', chart.file], LEAST);
    t.match(fromRegistry, { ok: true });
    t.equal(fromRegistry.stdout, fromFile.stdout);
    t.match(await callChart('--push', 'oci://127.0.0.1:1/charts', '--plain-http'), {
      ok: false,
      stderr: /^helm push failed/,
    });
  },
);

await test('wrong usage of the command is one line', async (t) => {
  t.match(await callChart('--push', 'registry.example.com'), {
    ok: false,
    stderr: /^--push must be oci:\/\/HOST\/PATH; see --help\n$/,
  });
  t.match(await callChart('--plain-http'), {
    ok: false,
    stderr: /^--plain-http goes with --push; see --help\n$/,
  });
  t.match(await callChart('--help'), { ok: true, stdout: /npm run chart/ });
});
