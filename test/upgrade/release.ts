import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cached, fillCache, npmCommand, ROOT, run } from '@seckill/stack';

/** A built checkout of ours, of this commit or of an older one. */
export interface Release {
  name: string;
  folder: string;
  /** The programs of order that make tables and topics have moved since. */
  migrate: string;
  topics: string;
}

const BUILD_MS = 300_000;

export const NEW: Release = releaseIn('new', ROOT);

/**
 * The release of that commit, taken from git, installed and built once, and kept in the cache by its commit.
 * @returns the reason where it cannot be had.
 */
export async function oldRelease(commit: string): Promise<Release | string> {
  const name = `release-${commit}`;
  const built = cached(name);
  if (built !== undefined) return releaseIn('old', built);
  const { ok } = await git('cat-file', '-e', `${commit}^{commit}`);
  if (!ok) return `git does not know commit ${commit} here: a shallow clone has no history`;
  const npm = npmCommand();
  if (npm === undefined) return 'npm is not in PATH';
  try {
    const folder = await fillCache(name, async (draft) => {
      const archive = join(draft, 'release.tar');
      assertOk('git archive', await git('archive', `--output=${archive}`, commit));
      assertOk('tar', await run('tar', ['-xf', archive, '-C', draft], { timeoutMs: BUILD_MS }));
      for (const words of [
        ['ci', '--no-audit', '--no-fund'],
        ['run', 'build'],
      ]) {
        const [command = '', ...args] = [...npm, ...words];
        assertOk(`npm ${words.join(' ')}`, await run(command, args, { timeoutMs: BUILD_MS, cwd: draft }));
      }
    });
    return releaseIn('old', folder);
  } catch (error) {
    return `the release of commit ${commit} cannot be built: ${String(error).replaceAll('\n', ' ')}`;
  }
}

function releaseIn(name: string, folder: string): Release {
  const program = (file: string): string => {
    const dist = join(folder, 'services', 'order', 'dist');
    const moved = join(dist, 'commands', file);
    return existsSync(moved) ? moved : join(dist, file);
  };
  return { name, folder, migrate: program('migrate.js'), topics: program('topics.js') };
}

function git(...args: string[]): ReturnType<typeof run> {
  return run('git', ['-C', ROOT, ...args], { timeoutMs: 60_000 });
}

function assertOk(what: string, { ok, stdout, stderr }: Awaited<ReturnType<typeof run>>): void {
  if (!ok) throw new Error(`${what}: ${(stdout + stderr).slice(-500)}`);
}
