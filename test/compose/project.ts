/** A project of docker compose of its own: its secrets, free ports, containers and their end. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePorts, isDockerRunning, ROOT, run } from '@seckill/stack';
import type { Test } from 'tap';
import { until } from '../support/stack.ts';

/** The time to start, with that of building the image where there is none yet. */
export const UP_MS = 15 * 60_000;

/** Why a test of compose is skipped, where no Docker engine runs. */
export const MISSING = 'no Docker engine with compose at hand';

/** Containers know these, and no log may. */
const SECRETS = ['JWT_SECRET', 'GATEWAY_TOKEN', 'REDIS_PASSWORD', 'POSTGRES_PASSWORD'];

export type ComposeCommand = [string, string[]];

export interface Project {
  name: string;
  env: Record<string, string>;
  /** Where the gateway is published. */
  gateway: string;
  /** A folder that goes with the project. */
  folder: string;
  /** Calls compose. @throws Error when the call fails. @returns what it says. */
  call: (...args: string[]) => string;
  /** The names of those secrets that the logs of the containers tell. */
  leaks: () => string[];
}

export async function findCompose(): Promise<ComposeCommand | undefined> {
  if (!(await isDockerRunning())) return undefined;
  if ((await run('docker', ['compose', 'version'], { timeoutMs: 10_000 })).ok) return ['docker', ['compose']];
  return findProgram('docker-compose') === undefined ? undefined : ['docker-compose', []];
}

/** Makes secrets as `npm run secrets` does, and takes free ports instead of the contract's. */
async function writeEnvironment(folder: string): Promise<Record<string, string>> {
  const [gateway, redis, kafka, second, third, postgres] = await freePorts(6);
  const secret = (): string => crypto.randomUUID() + crypto.randomUUID();
  const values = {
    REDIS_PASSWORD: secret(),
    POSTGRES_PASSWORD: secret(),
    GATEWAY_TOKEN: secret(),
    ORDER_TOKEN: secret(),
    STOCK_TOKEN: secret(),
    JWT_SECRET: secret(),
    WEBHOOK_SECRETS: `whsec_${Buffer.from(secret().slice(0, 32)).toString('base64')}`,
    CONTACT_KEY: Buffer.from(secret().slice(0, 32)).toString('base64'),
    RATE_LIMIT_USER_MAX: '1000000',
    RATE_LIMIT_ADDRESS_MAX: '1000000',
    GATEWAY_PORT: String(gateway),
    REDIS_PORT: String(redis),
    KAFKA_PORT: String(kafka),
    KAFKA_2_PORT: String(second),
    KAFKA_3_PORT: String(third),
    POSTGRES_PORT: String(postgres),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, '.env'), lines.join(''), { mode: 0o600 });
  return values;
}

/** Starts the project of these files, and ends it with the test. Resolves when the gateway is ready. */
export async function startProject(t: Test, command: ComposeCommand, files: string[]): Promise<Project> {
  const [program, first] = command;
  const folder = mkdtempSync(join(tmpdir(), 'seckill-compose-'));
  const env = await writeEnvironment(folder);
  const name = `seckill-test-${process.pid}`;
  const place = ['--project-name', name, '--project-directory', ROOT, '--env-file', join(folder, '.env')];
  const laid = files.flatMap((file) => ['--file', join(ROOT, file)]);
  const call = (...args: string[]): string =>
    execFileSync(program, [...first, ...laid, ...place, ...args], {
      // The caller's variables are left out, because they would win over the file's.
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: UP_MS,
      maxBuffer: 256 << 20,
    });
  t.teardown(() => {
    call('down', '--volumes', '--timeout', '30');
    rmSync(folder, { recursive: true });
  });
  call('up', '--detach');
  const gateway = `http://127.0.0.1:${env['GATEWAY_PORT'] ?? ''}`;
  await until(
    'the gateway is ready',
    async () => {
      const answer = await fetch(`${gateway}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    },
    120_000,
  );
  const leaks = (): string[] => {
    const logs = call('logs', '--no-color');
    return SECRETS.filter((secret) => logs.includes(env[secret] ?? ''));
  };
  return { name, env, gateway, folder, call, leaks };
}
