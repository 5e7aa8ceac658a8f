/**
 * Our three services as processes of this machine: where they listen, what they are told, and when they are
 * ready.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../machine/children.ts';
import type { Child } from '../machine/children.ts';
import { StackError, textOf } from '../errors.ts';
import { ROOT } from '../names.ts';
import { freePorts, isPortFree } from '../machine/ports.ts';
import { run, tailOf } from '../machine/programs.ts';

export type ServiceName = 'gateway' | 'stock' | 'order';

/** The services in the order in which they start. */
export const SERVICE_NAMES: ServiceName[] = ['order', 'stock', 'gateway'];

export interface Ports {
  port: number;
  metricsPort: number;
}

/** The ports that the documents name. */
export const CONTRACT_PORTS: Record<ServiceName, Ports> = {
  gateway: { port: 8080, metricsPort: 9460 },
  stock: { port: 8081, metricsPort: 9461 },
  order: { port: 8082, metricsPort: 9462 },
};

const READY_MS = 60_000;

const PROBE_EVERY_MS = 100;

const TASK_MS = 60_000;

/** Requests under way end first. Then the last batch is stored. */
const STOP_MS = 15_000;

async function portOr(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await isPortFree(wanted))) return wanted;
  const [port] = (await freePorts(1)) as [number];
  return port;
}

/** Chooses the ports that the documents name where these are free, and other free ports elsewhere. */
export async function choosePorts(service: ServiceName, preferContract: boolean): Promise<Ports> {
  const wanted = preferContract ? CONTRACT_PORTS[service] : undefined;
  return { port: await portOr(wanted?.port), metricsPort: await portOr(wanted?.metricsPort) };
}

function entryOf(service: ServiceName, file: string): string {
  return join(ROOT, 'services', service, 'dist', file);
}

/**
 * Runs one of a service's programs (migrate, topics) to its end. Throws with the tail of what the program
 * said.
 */
export async function runTask(service: ServiceName, file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { ok, stdout, stderr } = await run(process.execPath, [entryOf(service, file)], {
    timeoutMs: TASK_MS,
    env,
  });
  if (ok) return;
  throw new StackError('SECKILL_STACK_SERVICE', `${service}/${file} failed:\n${tailOf(stdout + stderr)}`);
}

export interface ServiceOptions {
  service: ServiceName;
  /** The name of a second instance. The default is the service's name. */
  name?: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
}

export function startService({ service, name, env, logFile }: ServiceOptions): Promise<Child> {
  const command = process.execPath;
  const args = [entryOf(service, 'main.js')];
  return startChild({
    name: name ?? service,
    command,
    args,
    env,
    output: { file: logFile },
    stopMs: STOP_MS,
  });
}

async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.status === 200;
}

/**
 * Waits for 200 on /readyz. Throws with the tail of the service's log when the service ends before that, or
 * after a minute.
 */
export async function untilServing(child: Child, url: string, logFile: string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  let last = 'no answer';
  while (child.isRunning() && performance.now() < deadline) {
    try {
      if (await isReady(url)) return;
      last = '/readyz says no';
    } catch (error) {
      last = textOf(error);
    }
    await Promise.race([sleep(PROBE_EVERY_MS), child.exited]);
  }
  const what = child.isRunning()
    ? `is not ready after ${READY_MS / 1000} s (${last})`
    : 'ended before it was ready';
  const tail = existsSync(logFile) ? tailOf(readFileSync(logFile, 'utf8')) : '';
  throw new StackError('SECKILL_STACK_SERVICE', `${child.name} ${what}; its log (${logFile}):\n${tail}`);
}
