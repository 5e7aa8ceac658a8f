/** The linter of manifests, built once by Go and kept in the cache outside the checkout. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fillCache, findProgram, run, tailOf } from '@seckill/stack';

const INSTALL_MS = 10 * 60_000;

const KUBE_SCORE = 'github.com/zegl/kube-score/cmd/kube-score@v1.20.0';

/** kube-score from PATH, else built by Go (20 s on two cores); undefined where there is no Go. */
export async function findKubeScore(): Promise<string | undefined> {
  const there = findProgram('kube-score');
  const go = findProgram('go');
  if (there !== undefined || go === undefined) return there;
  const key = createHash('sha256').update(KUBE_SCORE).digest('hex').slice(0, 16);
  try {
    const folder = await fillCache(`kube-score-${key}`, async (draft) => {
      const bin = join(draft, 'bin');
      mkdirSync(bin);
      const env = { ...process.env, GOBIN: bin, GOFLAGS: '-p=2' };
      const { ok, stderr } = await run(go, ['install', KUBE_SCORE], { timeoutMs: INSTALL_MS, env });
      if (!ok || !existsSync(join(bin, 'kube-score'))) throw new Error(tailOf(stderr));
    });
    return join(folder, 'bin/kube-score');
  } catch {
    // Go could not reach its module proxy, and the test says that it was skipped.
    return undefined;
  }
}
