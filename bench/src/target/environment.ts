import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { PROJECT_ROOT } from '../folders.ts';
import type { Target } from './target.ts';

/** What a result depends on. */
export interface Environment {
  cpu: string;
  cores: number;
  memoryMegabytes: number;
  os: string;
  node: string;
  /**
   * The load average of the machine before the run. When it is above the number of cores, others were busy
   * too.
   */
  loadAverage: number;
  commit: string;
  target: Target['kind'];
  /** Versions and durability settings of the engines, as the engines report them. */
  engines: Record<string, string>;
}

export async function describeEnvironment(target: Target): Promise<Environment> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryMegabytes: Math.round(totalmem() / 1_048_576),
    os: `${process.platform} ${release()}`,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    commit: readCommit(),
    target: target.kind,
    engines: {
      ...(target.engines === undefined ? {} : await target.engines.describe().catch(() => ({}))),
      ...(target.stack === undefined ? {} : { kafka: target.stack.engines.origin.kafka }),
    },
  };
}

function readCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: PROJECT_ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const isDirty = git('status', '--porcelain') !== '';
    return `${git('rev-parse', '--short=12', 'HEAD')}${isDirty ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}
