/**
 * `.run/<name>/stack.json` tells what tests, tools and people need to reach a running stack. No other file
 * has secrets.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, readStackFile } from '@seckill/runtime';
import type { EngineUrls } from './engines/engine-set.ts';
import { StackError } from './errors.ts';
import { RUN_FOLDER } from './names.ts';

export interface EnginesInfo extends EngineUrls {
  pids: Record<string, number>;
}

/** First what a person and every script needs, then what tests of the inside need. */
export interface StackInfo extends EnginesInfo {
  gateway: string;
  stock: string;
  order: string;
  /** `redis` is one node of a Redis Cluster. */
  isRedisCluster: boolean;
  jwtSecret: string;
  webhookSecret: string;
  gatewayToken: string;
  orderToken: string;
  stockToken: string;
  metrics: Record<'gateway' | 'stock' | 'order', string>;
}

/** Writes the file by renaming it into place, so that a reader sees the whole file or none. */
export function writeInfo(folder: string, info: EnginesInfo | StackInfo): void {
  const file = join(folder, 'stack.json');
  writeFileSync(`${file}.tmp`, `${JSON.stringify(info, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** Throws SECKILL_STACK_NOT_RUNNING when no stack of that name is up, or one of engines alone. */
export function readStack(name: string): StackInfo {
  try {
    return readStackFile(name, ['jwtSecret'], RUN_FOLDER) as Record<string, unknown> as unknown as StackInfo;
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === 2) throw error;
    throw new StackError('SECKILL_STACK_NOT_RUNNING', error.message, error);
  }
}
