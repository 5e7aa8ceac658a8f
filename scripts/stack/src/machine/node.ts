/** Gets a Node.js of another version than ours from its npm package, and keeps it in the cache. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { fillCache } from './cache.ts';
import { npmCommand } from './install.ts';
import { run, tailOf } from './programs.ts';
import { type Log, withProgress } from './progress.ts';

/** The version line that README names first. The image ships it too. */
export const NODE_VERSION = '24.21.0';

const STEP_MS = 10 * 60_000;

async function must(command: string, args: string[], cwd: string): Promise<void> {
  const { ok, stdout, stderr } = await run(command, args, { timeoutMs: STEP_MS, cwd });
  if (!ok)
    throw new StackError(
      'SECKILL_STACK_INSTALL',
      `${command} ${args[0]} failed:\n${tailOf(stdout + stderr)}`,
    );
}

/**
 * @returns the folder with the program `node`.
 * @throws StackError SECKILL_STACK_INSTALL when the package cannot be had. The package exists for Linux
 * alone.
 */
export async function fetchNode(log: Log): Promise<string> {
  const name = `node-linux-${process.arch}`;
  const folder = await fillCache(`node-${NODE_VERSION}`, async (draft) => {
    const [npm = 'npm', ...script] = npmCommand() ?? [];
    const packed = must(npm, [...script, 'pack', '--silent', `${name}@${NODE_VERSION}`], draft);
    await withProgress(`npm: Node.js ${NODE_VERSION} (50 MB)`, log, packed);
    const file = `${name}-${NODE_VERSION}.tgz`;
    await must('tar', ['xzf', file, '--strip-components=1', '--no-same-owner'], draft);
    rmSync(join(draft, file));
  });
  return join(folder, 'bin');
}
