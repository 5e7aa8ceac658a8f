/** Runs one of the proofs, unchanged, in a copy of the repository. */
import { run, tailOf } from '@seckill/stack';
import type { Proof } from './mutations.ts';

export interface Proved {
  /** Whether the proof failed, and so found something. */
  hasFailed: boolean;
  /** The first thing that it found. */
  found: string;
  seconds: number;
}

const SLACK_MS = 1_200_000;
const NODE = ['--conditions=seckill-source', '--import=./test/runner/register.js'];

/** @throws Error when the proof came to no judgement. */
export async function prove(
  proof: Proof,
  root: string,
  options: { seed: number; minutes: number },
): Promise<Proved> {
  const since = performance.now();
  const args =
    proof === 'fire'
      ? [...NODE, 'test/fire/fire.ts', '--seed', String(options.seed), '--minutes', String(options.minutes)]
      : [
          ...[
            'scripts/stack/dist/commands/exec.js',
            '--name',
            `mutations-${process.pid}`,
            '--only',
            'redis',
            '--',
          ],
          ...['node', 'test/runner/run.js', 'scripts/lua/test/model.test.ts'],
        ];
  const { ok, stdout, stderr } = await run(process.execPath, args, {
    timeoutMs: options.minutes * 60_000 + SLACK_MS,
    cwd: root,
    env: { ...process.env, SECKILL_CAMPAIGN: 'full', SECKILL_SEED: String(options.seed) },
  });
  const text = `${stdout}${stderr}`;
  const pattern = proof === 'fire' ? /^BROKEN [^:]*: (.*)$/m : /^ *not ok \d+ - (.*)$/m;
  const found = pattern.exec(text)?.[1];
  const seconds = (performance.now() - since) / 1_000;
  if (ok) return { hasFailed: false, found: '', seconds };
  // A run that hung, or that did not come to its judgement, has found nothing.
  if (found === undefined) throw new Error(`${proof} came to no judgement:\n${tailOf(text)}`);
  return { hasFailed: true, found, seconds };
}
