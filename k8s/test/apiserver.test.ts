/**
 * Goal: a real API server takes every overlay and combination as it is, without a warning, and refuses what
 * is wrong.
 * Method: kube-apiserver and etcd on loopback, with Pod Security admission and the operators' kinds; first
 * dry runs of all, then the overlays for real. No controller runs: nothing is rolled out, and Pods are asked
 * for by the test.
 */
import { findApiServer, findKubernetesTools } from '@seckill/stack';
import t from 'tap';
import { startApiServer } from './api-server.ts';
import { defineKinds } from './definitions.ts';
import { combinations, copyManifests, renderAll } from './render.ts';
import type { Rendered, Resource } from './render.ts';
import { titleOf } from './schema.ts';
import { podsOf } from './workload.ts';

const ESCALATION = ['"allowPrivilegeEscalation":false', '"allowPrivilegeEscalation":true'] as const;

/**
 * Lists of resources. No list has a resource twice, and together they hold every variant of every resource.
 */
function layersOf(all: Rendered[]): Resource[][] {
  const layers: Resource[][] = [];
  const seen = new Map<string, Set<string>>();
  for (const resource of all.flatMap(({ resources }) => resources)) {
    const variants = seen.get(titleOf(resource)) ?? new Set();
    seen.set(titleOf(resource), variants);
    const text = JSON.stringify(resource);
    if (variants.has(text)) continue;
    (layers[variants.size] ??= []).push(resource);
    variants.add(text);
  }
  return layers;
}

const withoutNamespace = (resources: Resource[]): Resource[] =>
  resources.filter(({ kind }) => kind !== 'Namespace');

/** A copy of one resource with the first place that matches changed. */
function bend(resources: Resource[], title: string, from: string, to: string): Resource[] {
  const text = JSON.stringify(resources.filter((one) => titleOf(one) === title));
  if (!text.includes(from)) throw new Error(`${title} has no ${from} to be bent`);
  return JSON.parse(text.replace(from, to)) as Resource[];
}

const programs = findApiServer();

if (programs === undefined) {
  const skip =
    'kube-apiserver and etcd are neither in PATH nor in the cache; `npm run k8s:tools` builds them (with Go, minutes)';
  await t.test('kube-apiserver', { skip }, () => undefined);
} else {
  const copy = copyManifests();
  const tools = await findKubernetesTools();
  const rendering = renderAll(tools.kubectl, copy.folder, combinations());
  const { overlays, all } = await rendering.finally(() => {
    copy.remove();
  });
  const production = overlays.find(({ name }) => name === 'overlay production')?.resources ?? [];
  const server = await startApiServer(programs, tools.kubectl);
  t.teardown(() => server.stop());
  t.comment(`${programs.apiServer}, Kubernetes ${server.version}`);

  await t.test('the operators’ kinds are served', async (t) => {
    const definitions = defineKinds(
      tools,
      all.flatMap(({ resources }) => resources),
    );
    t.ok(definitions.length >= 10, definitions.map(({ metadata }) => metadata.name).join());
    t.equal(await server.apply(definitions), '');
    const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
    t.match(await server.kubectl(['wait', '--for=condition=Established', ...names]), { ok: true });
  });

  await t.test(
    'every resource of every overlay and combination would be taken without a warning',
    async (t) => {
      // A dry run makes no namespace, and needs the namespace of the resources that it asks for.
      t.equal(await server.apply(production.filter(({ kind }) => kind === 'Namespace')), '');
      for (const layer of layersOf(all)) t.equal(await server.dryRun(layer), '', `${layer.length} resources`);
    },
  );

  for (const { name, resources } of overlays) {
    await t.test(`${name} is taken, the same again changes nothing, its pods are admitted`, async (t) => {
      // These are resources of the overlay before. The namespace stays, because no controller is there to let
      // it go.
      const earlier = overlays.flatMap((one) => withoutNamespace(one.resources));
      const flags = ['--ignore-not-found', '--wait=false'];
      t.match(await server.send('delete', earlier, ...flags), { ok: true });
      // `kubectl apply -k` without --server-side sends it so.
      const asked = await server.send('apply', withoutNamespace(resources), '--dry-run=server');
      t.match(asked, { ok: true, stderr: /^$/ });
      t.equal(await server.apply(resources), '');
      const first = await server.readVersions(resources);
      t.equal(first.length, resources.length);
      t.equal(await server.apply(resources), '');
      t.same(await server.readVersions(resources), first);
      t.equal(await server.dryRun(podsOf(resources)), '');
    });

    await t.test(
      `an upgrade of ${name} and the way back are taken, with its jobs deleted first`,
      async (t) => {
        const text = JSON.stringify(resources);
        const next = JSON.parse(text.replaceAll(/"seckill:[^"]+"/g, '"seckill:next"')) as Resource[];
        const deployments = resources.filter(({ kind }) => kind === 'Deployment');
        for (const target of [next, resources]) {
          t.match(await server.dryRun(target), /^refused: .*"migrate" is invalid.*field is immutable/s);
          const jobs = ['delete', 'job', 'migrate', 'topics', '--ignore-not-found'];
          t.match(await server.kubectl(['-n', 'seckill', ...jobs]), { ok: true });
          const before = await server.readVersions(deployments);
          t.equal(await server.apply(target), '');
          const after = await server.readVersions(deployments);
          const unchanged = before.filter((line) => after.includes(line));
          t.same(unchanged, [], 'each deployment has changed');
        }
      },
    );
  }

  await t.test('an unknown field, a wrong value and a pod that is not restricted are refused', async (t) => {
    const bends: [Resource[], string, string, string, RegExp][] = [
      [production, 'Deployment gateway', '"maxSurge"', '"maxSpeed"', /^refused: .*maxSpeed/s],
      [
        production,
        'ScaledObject order-intake',
        '"maxReplicaCount"',
        '"maxReplicasCount"',
        /^refused: .*maxReplicasCount/s,
      ],
      [
        production,
        'ScaledObject order-intake',
        '"maxReplicaCount":12',
        '"maxReplicaCount":"12"',
        /^refused: .*maxReplicaCount/s,
      ],
      [
        production,
        'Kafka kafka',
        '"type":"internal"',
        '"type":"inner"',
        /^refused: .*type: Unsupported value/s,
      ],
      [podsOf(production), 'Pod gateway-0', ...ESCALATION, /^refused: .*violates PodSecurity "restricted/s],
      [
        podsOf(production),
        'Pod gateway-0',
        '"serviceAccountName":"gateway"',
        '"serviceAccountName":"nobody"',
        /^refused: .*service account .*nobody.* not found/s,
      ],
      // A workload gets a warning instead, which the tests above take for a failure.
      [production, 'Deployment gateway', ...ESCALATION, /^Warning: would violate PodSecurity/],
    ];
    for (const [resources, title, from, to, words] of bends)
      t.match(await server.dryRun(bend(resources, title, from, to)), words, `${title}: ${to}`);
  });
}
