/**
 * Starts the gateway from an image and checks three things: whether it is ready, which user runs it, and
 * whether the operators' page is in it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, run, startChild, StackError, tailOf, type Log } from '@seckill/stack';
import type { Builder } from './builder.ts';

const READY_MS = 60_000;

/**
 * Nobody answers at these addresses. A gateway is ready without the other services and answers 503 for them.
 */
const AWAY = 'http://127.0.0.1:9';

async function untilReady(url: string, isRunning: () => boolean): Promise<number> {
  const begun = performance.now();
  while (performance.now() - begun < READY_MS && isRunning()) {
    const status = await fetch(`${url}/readyz`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return performance.now() - begun;
    await sleep(100);
  }
  throw new StackError('SECKILL_IMAGE_TRIAL', 'the gateway of the image did not get ready');
}

/** The number of the user whose process listens on `port`. The kernel tells it for each socket. */
function userListening(port: number): number | undefined {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const found = fields.find((words) => words[1]?.endsWith(hex) === true && words[3] === '0A');
  return found === undefined ? undefined : Number(found[7]);
}

/** @returns the number of files of the page. @throws StackError when one is missing. */
async function checkConsole(url: string): Promise<number> {
  const page = await fetch(`${url}/console`).then((response) => (response.ok ? response.text() : ''));
  const paths = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path);
  for (const path of paths) {
    if (!(await fetch(`${url}${path}`)).ok) {
      throw new StackError('SECKILL_IMAGE_TRIAL', `the console of the image lacks ${path}`);
    }
  }
  if (paths.length === 0) throw new StackError('SECKILL_IMAGE_TRIAL', 'the image has no console');
  return paths.length + 1;
}

/**
 * Tries the image. @throws StackError SECKILL_IMAGE_TRIAL when it does not serve, or serves as the wrong
 * user.
 */
export async function tryImage(builder: Builder, image: string, logFile: string, log: Log): Promise<void> {
  const name = `seckill-trial-${process.pid}`;
  const [port, metricsPort] = (await freePorts(2)) as [number, number];
  const secret = (): string => randomBytes(32).toString('base64url');
  const [command, args] = await builder.start(image, name, {
    HOST: '127.0.0.1',
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    STOCK_URL: AWAY,
    ORDER_URL: AWAY,
    GATEWAY_TOKEN: secret(),
    JWT_SECRET: secret(),
    WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
    CONSOLE: 'true',
  });
  const child = await startChild({ name, command, args, env: process.env, output: { file: logFile } });
  try {
    const ms = await untilReady(`http://127.0.0.1:${port}`, () => child.isRunning());
    const user = userListening(port);
    if (user !== 10001) throw new StackError('SECKILL_IMAGE_TRIAL', `it runs as user ${user ?? 'unknown'}`);
    const files = await checkConsole(`http://127.0.0.1:${port}`);
    log(
      `gateway from ${image} ready after ${(ms / 1000).toFixed(1)} s, as user ${user}, with the console (${files} files)`,
    );
  } catch (error) {
    const { stdout } = await run('tail', ['-n', '15', logFile], { timeoutMs: 5_000 });
    log(tailOf(stdout));
    throw error;
  } finally {
    child.killGroup('SIGTERM');
    await child.stop();
    await builder.remove(name);
  }
}
