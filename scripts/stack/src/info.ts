/** `.run/<name>/stack.json`: what tests, tools and people need to reach a running stack. The only file with secrets. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineUrls } from './engines/engine-set.ts';
import { StackError } from './errors.ts';
import { folderOf } from './names.ts';

export interface EnginesInfo extends EngineUrls {
  pids: Record<string, number>;
}

/** As in contract.md, then what tests of the inside need. */
export interface StackInfo extends EnginesInfo {
  gateway: string;
  stock: string;
  order: string;
  jwtSecret: string;
  webhookSecret: string;
  gatewayToken: string;
  orderToken: string;
  stockToken: string;
  metrics: Record<'gateway' | 'stock' | 'order', string>;
}

/** Renamed into place: a reader sees the whole file or none. */
export function writeInfo(folder: string, info: EnginesInfo | StackInfo): void {
  const file = join(folder, 'stack.json');
  writeFileSync(`${file}.tmp`, `${JSON.stringify(info, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** Throws SECKILL_STACK_NOT_RUNNING when no stack of that name is up, or one of engines alone. */
export function readStack(name: string): StackInfo {
  const file = join(folderOf(name), 'stack.json');
  let info: Partial<StackInfo>;
  try {
    info = JSON.parse(readFileSync(file, 'utf8')) as Partial<StackInfo>;
  } catch (error) {
    throw new StackError(
      'SECKILL_STACK_NOT_RUNNING',
      `no stack named "${name}" is running: npm start`,
      error,
    );
  }
  if (info.jwtSecret === undefined) {
    throw new StackError(
      'SECKILL_STACK_NOT_RUNNING',
      `the stack "${name}" runs the engines alone: npm start`,
    );
  }
  return info as StackInfo;
}
