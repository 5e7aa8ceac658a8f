import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePorts, installPackages, startChild } from '@seckill/stack';
import { untilWithin } from '@seckill/testing';
import type { Test } from 'tap';

/**
 * Finds the programs of Debian's package `prometheus`, which is installed where that is allowed. Undefined:
 * they cannot be had.
 */
export async function findPrometheus(): Promise<{ prometheus: string; promtool: string } | undefined> {
  const find = () => {
    const prometheus = findProgram('prometheus');
    const promtool = findProgram('promtool');
    return prometheus === undefined || promtool === undefined ? undefined : { prometheus, promtool };
  };
  const there = find();
  if (there !== undefined) return there;
  await installPackages(['prometheus'], () => undefined);
  return find();
}

export function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-telemetry-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export interface Prometheus {
  /** @returns what the API answers as `data`. */
  ask(path: string): Promise<unknown>;
}

const untilReady = untilWithin(30_000);

/** A server that scrapes these addresses each second under the rules of the file, and ends with the test. */
export async function startPrometheus(
  t: Test,
  program: string,
  { targets, rules }: { targets: string[]; rules: string },
): Promise<Prometheus> {
  const folder = makeFolder(t);
  const [port] = (await freePorts(1)) as [number];
  writeFileSync(join(folder, 'rules.yml'), rules);
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'seckill', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child = await startChild({
    name: 'prometheus',
    command: program,
    args: [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    env: { PATH: process.env['PATH'] ?? '' },
    cwd: folder,
    output: { file: join(folder, 'prometheus.log') },
  });
  t.teardown(() => child.stop());
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { data } = (await response.json()) as { data: unknown };
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return data;
  };
  await untilReady('Prometheus answers', () =>
    ask('status/runtimeinfo').then(
      () => true,
      () => false,
    ),
  );
  return { ask };
}
