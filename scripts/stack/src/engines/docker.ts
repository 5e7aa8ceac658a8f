/** Runs engines as containers, with the images of docker-compose.yml. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { startChild } from '../machine/children.ts';
import { untilReady } from './engine.ts';
import type { EngineKind, EngineName, Launched, StartContext } from './engine.ts';
import { StackError } from '../errors.ts';
import { ROOT } from '../names.ts';
import { findProgram, run, tailOf } from '../machine/programs.ts';
import { withProgress } from '../machine/progress.ts';

/** `docker info` answers in under 100 ms; a daemon that hangs is as good as none. */
const INFO_MS = 3_000;

const PULL_MS = 5 * 60_000;

const READY_MS = 60_000;

/**
 * Ends a container when its docker client goes. The container outlives the client, but its stdin does not:
 * Docker closes it when the attached client goes, however the client goes. The subshell then ends process 1,
 * which is the engine.
 */
const LEASH =
  'exec 3<&0; (cat <&3 >/dev/null; kill -s TERM 1; sleep 10; kill -s KILL 1) & exec 3<&- </dev/null;';

export async function isDockerRunning(): Promise<boolean> {
  if (findProgram('docker') === undefined) return false;
  return (await run('docker', ['info'], { timeoutMs: INFO_MS })).ok;
}

export function imageOf(engine: EngineName): string {
  const file = join(ROOT, 'docker-compose.yml');
  const compose = parse(readFileSync(file, 'utf8')) as {
    services?: Record<string, { image?: string } | undefined>;
  };
  const image = compose.services?.[engine]?.image;
  if (image === undefined)
    throw new StackError('SECKILL_STACK_ENGINE', `${file} names no image for ${engine}`);
  return image;
}

async function pull(image: string, context: StartContext): Promise<void> {
  if ((await run('docker', ['image', 'inspect', image], { timeoutMs: INFO_MS })).ok) return;
  const task = run('docker', ['pull', '-q', image], { timeoutMs: PULL_MS });
  const { ok, stderr } = await withProgress(`docker pull ${image}`, context.log, task);
  if (!ok) throw new StackError('SECKILL_STACK_ENGINE', tailOf(stderr, 1));
}

/**
 * Starts a container. Throws when the image cannot be had or the container does not come up. The caller then
 * tries the next way.
 */
export async function startContainer(kind: EngineKind, context: StartContext): Promise<Launched> {
  const image = imageOf(kind.name);
  await pull(image, context);
  const { port, env, command, url } = await kind.container();
  const hostPort = url.slice(url.lastIndexOf(':') + 1).split('/')[0] ?? '';
  // Secrets go by file, so that no process list shows them.
  const envFile = `${context.folder}.env`;
  const lines = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  writeFileSync(envFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  const options = ['--rm', '-i', '--label', `seckill.stack=${context.stack}`, '--env-file', envFile];
  const ports = ['-p', `127.0.0.1:${hostPort}:${port}`, '--entrypoint', 'sh'];
  const child = await startChild({
    name: kind.name,
    command: 'docker',
    args: ['run', ...options, ...ports, image, '-c', `${LEASH} ${command}`],
    env: process.env,
    output: { file: context.logFile },
    holdStdin: true,
    stopMs: 15_000,
  });
  await untilReady(kind, { url, child }, context.logFile, READY_MS);
  return { url, child };
}
