/**
 * Finds the API server of Kubernetes and the etcd that it needs. Both are built from their Go modules into
 * the cache, or come from PATH.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, fillCache } from '../machine/cache.ts';
import { StackError } from '../errors.ts';
import { ROOT } from '../names.ts';
import { findProgram, run, tailOf } from '../machine/programs.ts';
import { type Log, withProgress } from '../machine/progress.ts';

/**
 * kube-apiserver takes 4 minutes on two cores. This bound is below the hour after which the cache takes a
 * draft for abandoned.
 */
const BUILD_MS = 50 * 60_000;

/** Each name is also that of its folder in k8s/tools. The go.mod there names the version. */
const NAMES = ['kube-apiserver', 'etcd'] as const;

export interface ApiServerPrograms {
  apiServer: string;
  etcd: string;
}

const modulesOf = (name: string): string => join(ROOT, 'k8s/tools', name);

function cacheNameOf(name: string): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(modulesOf(name), file)));
  return `${name}-${hash.digest('hex').slice(0, 16)}`;
}

/** What was built goes before PATH, because Debian's etcd 3.4 is too old for this API server. */
function findOne(name: string): string | undefined {
  const folder = cached(cacheNameOf(name));
  return folder === undefined ? findProgram(name) : join(folder, name);
}

/** Finds both programs and builds nothing. The result is undefined when one of the two is missing. */
export function findApiServer(): ApiServerPrograms | undefined {
  const [apiServer, etcd] = NAMES.map(findOne);
  return apiServer === undefined || etcd === undefined ? undefined : { apiServer, etcd };
}

async function buildOne(go: string, name: string, log: Log): Promise<string> {
  const folder = await fillCache(cacheNameOf(name), async (draft) => {
    const file = join(draft, name);
    // This is the one program that go.mod lists as a tool. The symbols are left out because nobody reads
    // them.
    const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', file, 'tool'];
    const task = run(go, args, { timeoutMs: BUILD_MS, cwd: modulesOf(name) });
    const { ok, stderr } = await withProgress(`building ${name}`, log, task);
    if (!ok || !existsSync(file))
      throw new StackError('SECKILL_STACK_INSTALL', `${name} cannot be built:\n${tailOf(stderr)}`);
  });
  return join(folder, name);
}

/** Builds what the cache lacks. @throws StackError without Go, or with Go's last words. */
export async function buildApiServer(log: Log): Promise<string[]> {
  const go = findProgram('go');
  if (go === undefined)
    throw new StackError('SECKILL_STACK_INSTALL', 'go is not in PATH; Go 1.25 or newer is needed');
  const files: string[] = [];
  // The programs are built one after the other, because each build takes all cores by itself.
  for (const name of NAMES) files.push(await buildOne(go, name, log));
  return files;
}
