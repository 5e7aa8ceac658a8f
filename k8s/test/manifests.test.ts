/**
 * Goal: every overlay and combination of components renders, is valid to the last field, and passes the
 * linters.
 * Method: the real kubectl; models of the resources for values and fields; kube-score, and kube-linter where
 * it is.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findKubernetesTools, findProgram, ROOT, run } from '@seckill/stack';
import { test } from 'tap';
import { parse } from 'yaml';
import { readStopMs } from './expected.ts';
import { RULES } from './policy.ts';
import { combinations, copyManifests, parseResources, renderAll } from './render.ts';
import { titleOf, validate } from './schema.ts';
import { findKubeScore } from './tools.ts';

const copy = copyManifests();
const tools = await findKubernetesTools();
const { overlays, all } = await renderAll(tools.kubectl, copy.folder, combinations());
process.once('exit', () => {
  copy.remove();
});

interface Exemption {
  check: string;
  resources: string;
  reason: string;
}

const exemptions = parse(readFileSync(join(ROOT, 'k8s/test/exemptions.yaml'), 'utf8')) as Exemption[];

await test('every combination is valid: values, enums, unknown fields, operators’ resources', async (t) => {
  t.ok(all.length > 40, `${all.length} renderings`);
  // Most combinations share most resources, so each resource is checked once.
  const distinct = new Map(
    all.flatMap(({ resources }) => resources).map((one) => [JSON.stringify(one), one]),
  );
  t.comment(`${distinct.size} distinct resources of ${all.length} renderings`);
  t.same(await validate(tools, [...distinct.values()]), []);
});

await test('every rule of the house holds in every combination', async (t) => {
  t.ok(readStopMs() > 0, 'the time to stop was found');
  for (const { name, resources } of all) {
    const findings = Object.entries(RULES).flatMap(([rule, check]) =>
      check(resources).map((text) => `${rule}: ${text}`),
    );
    t.same(findings, [], name);
  }
});

await test('the validation finds a wrong value, a wrong enum and an unknown field, in operators’ resources too', async (t) => {
  const production = overlays.find(({ name }) => name === 'overlay production');
  const bend = async (from: string, to: string): Promise<string[]> => {
    const text = production?.text ?? '';
    t.ok(text.includes(from), `${from} is there to be bent`);
    return validate(tools, parseResources(text.replace(from, to)));
  };
  t.match((await bend('maxSurge: 1', 'maxSurge: 1\n      maxSpeed: 2')).join(), /maxSpeed/);
  t.match((await bend('containerPort: 8080', "containerPort: '8080'")).join(), /containerPort/);
  t.match((await bend('maxReplicaCount: 12', 'maxReplicasCount: 12')).join(), /maxReplicasCount/);
  t.match((await bend('partitions: 12', 'partitions: twelve')).join(), /partitions/);
  t.match((await bend('dataDurability: required', 'dataDurability: perhaps')).join(), /dataDurability/);
});

await test('no resource is there twice, and nothing names a config map or secret that is not there', async (t) => {
  for (const { name, resources } of all) {
    const titles = resources.map(titleOf);
    t.equal(new Set(titles).size, titles.length, name);
  }
  for (const { name, resources } of overlays) {
    const text = JSON.stringify(resources);
    const maps = new Set(
      resources.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name),
    );
    for (const [, reference] of text.matchAll(/"configMapRef":\{"name":"([^"]+)"/g))
      t.ok(maps.has(reference ?? ''), name);
  }
});

await test('no secret stands in a manifest', async (t) => {
  for (const { name, resources } of all.filter((one) => one.name !== 'overlay local')) {
    t.same(resources.filter(({ kind }) => kind === 'Secret').map(titleOf), [], name);
  }
});

interface Score {
  object_meta: { name: string };
  type_meta: { kind: string };
  checks: {
    check: { id: string };
    grade: number;
    skipped: boolean;
    comments: { path: string; summary: string }[] | null;
  }[];
}

/** kube-score grades 1 as critical, 5 as a warning, 10 as good. */
const CRITICAL = 1;

const isExempt = (check: string, resource: string): boolean =>
  exemptions.some((one) => one.check === check && new RegExp(`^(${one.resources})$`).test(resource));

const kubeScore = await findKubeScore();
const withoutKubeScore = kubeScore === undefined && 'kube-score is neither in PATH nor to be built (no Go)';

await test('kube-score: nothing critical but what is exempt', { skip: withoutKubeScore }, async (t) => {
  const used = new Set<string>();
  for (const { name, text } of overlays) {
    const file = join(copy.folder, 'rendered.yaml');
    writeFileSync(file, text);
    const { stdout, stderr } = await run(kubeScore ?? '', ['score', '-o', 'json', file], {
      timeoutMs: 60_000,
    });
    t.ok(stdout.startsWith('['), stderr);
    const scores = JSON.parse(stdout) as Score[];
    for (const { object_meta, type_meta, checks } of scores) {
      const resource = `${type_meta.kind}/${object_meta.name}`;
      for (const { check, grade, skipped, comments } of checks) {
        if (skipped || grade !== CRITICAL) continue;
        if (isExempt(check.id, resource)) used.add(check.id);
        else
          t.fail(
            `${name}: ${resource} ${check.id}: ${(comments ?? []).map(({ summary }) => summary).join()}`,
          );
      }
    }
  }
  t.same(
    exemptions.map(({ check }) => check).filter((check) => !used.has(check)),
    [],
    'each exemption is used',
  );
});

const kubeLinter = findProgram('kube-linter');
const withoutKubeLinter =
  kubeLinter === undefined &&
  'kube-linter is not in PATH; it is not built here, because the Go module proxy refuses its module';

await test('kube-linter finds nothing', { skip: withoutKubeLinter }, async (t) => {
  for (const { name, text } of overlays) {
    const file = join(copy.folder, 'rendered.yaml');
    writeFileSync(file, text);
    const { ok, stdout, stderr } = await run(kubeLinter ?? '', ['lint', file], { timeoutMs: 60_000 });
    t.ok(ok, `${name}: ${stdout}${stderr}`);
  }
});
