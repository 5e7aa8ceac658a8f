/**
 * Goal: a release of the chart is installed, upgraded, rolled back and uninstalled on a real API server, and
 * leaves what was sold.
 * Method: the real helm with the values of the production overlay; kube-apiserver and etcd on loopback, with
 * the operators' kinds. No controller runs, so nothing is rolled out.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findApiServer, findKubernetesTools, run, type Outcome } from '@seckill/stack';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { startApiServer } from './api-server.ts';
import { callHelm, kustomizeChoice, packChart, withoutHash, type Chart } from './chart.ts';
import { production } from './choices.ts';
import { defineKinds } from './definitions.ts';
import { copyManifests } from './render.ts';

/**
 * The chart without the version of Kubernetes that it wants: a server that is built from its modules does not
 * know which it is.
 */
async function unpackForAnyVersion({ file, folder }: Chart): Promise<string> {
  const { ok, stderr } = await run('tar', ['-xzf', file, '-C', folder], { timeoutMs: 30_000 });
  if (!ok) throw new Error(stderr);
  const about = join(folder, 'seckill/Chart.yaml');
  const { kubeVersion: _wanted, ...rest } = parse(readFileSync(about, 'utf8')) as Record<string, unknown>;
  writeFileSync(about, stringify(rest));
  return join(folder, 'seckill');
}

const programs = findApiServer();

if (programs === undefined) {
  const skip =
    'kube-apiserver and etcd are neither in PATH nor in the cache; `npm run k8s:tools` builds them (with Go, minutes)';
  await t.test('kube-apiserver', { skip }, () => undefined);
} else {
  const copy = copyManifests();
  const tools = await findKubernetesTools();
  const chart = await packChart();
  const folder = await unpackForAnyVersion(chart);
  const resources = await kustomizeChoice(tools, copy.folder, production);
  const definitions = defineKinds(tools, resources);
  const server = await startApiServer(programs, tools.kubectl);
  t.teardown(async () => {
    await server.stop();
    copy.remove();
    chart.remove();
  });

  const helm = (args: string[], values?: object): Promise<Outcome> =>
    callHelm(tools, [...args, '--namespace', 'seckill'], values, server.env);
  const list = async (kind: string): Promise<string[]> => {
    const { stdout } = await server.kubectl(['-n', 'seckill', 'get', kind, '-o', 'name']);
    return stdout.trim().split('\n').sort();
  };
  const versions = (): Promise<string[]> =>
    server.readVersions(resources.filter(({ kind }) => kind === 'Deployment'));

  const next = {
    ...production.values,
    images: { seckill: 'seckill:next' },
    variables: { gateway: { LOG_LEVEL: 'debug' } },
  };

  await t.test(
    'a release is installed without a warning, and has each resource of the overlay',
    async (t) => {
      t.equal(await server.apply(definitions), '');
      const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
      t.match(await server.kubectl(['wait', '--for=condition=Established', ...names]), { ok: true });

      t.equal(await server.apply(resources.filter(({ kind }) => kind === 'Namespace')), '');
      const installed = await helm(['install', 'seckill', folder], production.values);
      t.match(installed, { ok: true, stdout: /STATUS: deployed/, stderr: /^$/ });
      const others = resources.filter(({ kind }) => kind !== 'Job').map(withoutHash);
      t.equal((await server.readVersions(others)).length, others.length);
      t.same(await list('jobs'), ['job.batch/migrate-1']);
    },
  );

  await t.test(
    'an upgrade changes each deployment, has its own job, and takes no config map away',
    async (t) => {
      const [before, maps] = [await versions(), await list('configmaps')];
      t.match(await helm(['upgrade', 'seckill', folder], next), { ok: true, stdout: /REVISION: 2/ });
      const after = await versions();
      t.same(
        before.filter((line) => after.includes(line)),
        [],
      );
      t.same(await list('jobs'), ['job.batch/migrate-2']);
      t.same(await list('configmaps'), maps, 'pods of before still find their variables');
      t.match(await helm(['upgrade', 'seckill', folder], next), { ok: true });
      t.same(await versions(), after, 'the same again changes no deployment');
    },
  );

  await t.test('the way back is taken', async (t) => {
    const before = await versions();
    t.match(await helm(['rollback', 'seckill', '1']), { ok: true, stderr: /^$/ });
    const after = await versions();
    t.same(
      before.filter((line) => after.includes(line)),
      [],
    );
    t.same(await list('jobs'), ['job.batch/migrate-1']);
  });

  await t.test('what was sold outlives the release', async (t) => {
    t.match(await helm(['uninstall', 'seckill']), { ok: true });
    t.same(await list('deployments'), ['']);
    const sold = ['Cluster', 'Kafka', 'KafkaNodePool', 'KafkaTopic'];
    const kept = resources.filter(({ kind }) => sold.includes(kind));
    t.ok(kept.length >= 7, `${kept.length} resources`);
    t.equal((await server.readVersions(kept)).length, kept.length);
  });
}
