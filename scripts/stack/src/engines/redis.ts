/** Redis or Valkey as a database (D11): AOF on every write, nothing evicted, no snapshots. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startChild } from '../machine/children.ts';
import { engineEnv, untilReady } from './engine.ts';
import type { EngineKind, Program } from './engine.ts';
import { StackError } from '../errors.ts';
import { installPackages } from '../machine/install.ts';
import { freePorts } from '../machine/ports.ts';
import { findProgram, run } from '../machine/programs.ts';
import { makePassword } from '../machine/secrets.ts';
import { ask } from './wire.ts';
import type { Log } from '../machine/progress.ts';

/** We use only commands that Redis 7.0 and Valkey share. */
const MAJOR_MIN = 7;

const READY_MS = 20_000;

export const SETTINGS = [
  'appendonly yes',
  'appendfsync always',
  'no-appendfsync-on-rewrite no',
  'maxmemory-policy noeviction',
  'save ""',
];

export async function probe(url: string): Promise<void> {
  const { username, password } = new URL(url);
  const user = username === '' ? '' : `${decodeURIComponent(username)} `;
  const login = password === '' ? '' : `AUTH ${user}${decodeURIComponent(password)}\r\n`;
  const answer = await ask(url, `${login}PING\r\n`, (bytes) => /^-|\+PONG\r\n|\r\n-/.test(bytes.toString()));
  // The server answers -LOADING while it reads the AOF. An error text never holds the password.
  if (!answer.toString().endsWith('+PONG\r\n')) throw new Error(answer.toString().trim());
}

function programAt(command: string, origin: string): Program {
  return {
    origin,
    async prepare({ folder, logFile }) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const password = makePassword();
      const [port] = (await freePorts(1)) as [number];
      const config = join(folder, 'redis.conf');
      const lines = [
        'bind 127.0.0.1',
        `port ${port}`,
        `dir ${folder}`,
        `requirepass ${password}`,
        ...SETTINGS,
      ];
      writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
      const url = `redis://:${password}@127.0.0.1:${port}`;
      return {
        async launch() {
          const child = await startChild({
            name: 'redis',
            command,
            args: [config],
            env: engineEnv(),
            cwd: folder,
            output: { file: logFile },
          });
          await untilReady({ name: 'redis', probe }, { url, child }, logFile, READY_MS);
          return { url, child };
        },
      };
    },
  };
}

/** @returns a server of this machine: its command and what it says of itself. */
async function findServer(): Promise<{ command: string; origin: string } | undefined> {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = findProgram(name);
    if (command === undefined) continue;
    const { stdout } = await run(command, ['--version'], { timeoutMs: 5_000 });
    const version = / v=(\d+)\.\S+/.exec(stdout);
    if (Number(version?.[1]) >= MAJOR_MIN) return { command, origin: `local ${name}${version?.[0] ?? ''}` };
  }
  return undefined;
}

async function find(): Promise<Program | undefined> {
  const found = await findServer();
  return found && programAt(found.command, found.origin);
}

/** The command that starts a server on this machine, and whence. The server is installed if need be. */
export async function findRedisServer(log: Log): Promise<{ command: string; origin: string }> {
  let found = await findServer();
  if (found === undefined) {
    await installPackages(['redis-server'], log);
    found = await findServer();
  }
  if (found === undefined) throw new StackError('SECKILL_STACK_ENGINE_MISSING', `needed: ${redis.advice}`);
  return found;
}

export const redis: EngineKind = {
  name: 'redis',
  variable: 'REDIS_URL',
  find,
  async install(log) {
    await installPackages(['redis-server'], log);
    const program = await find();
    return program && { ...program, origin: program.origin.replace('local', 'installed') };
  },
  async container() {
    const password = makePassword();
    const [port] = (await freePorts(1)) as [number];
    const settings = SETTINGS.map((line) => `${line}\\n`).join('');
    return {
      port: 6379,
      env: { REDIS_PASSWORD: password },
      command: `umask 077; printf '${settings}requirepass %s\\n' "$REDIS_PASSWORD" > /tmp/redis.conf; \
exec "$(command -v valkey-server || command -v redis-server)" /tmp/redis.conf --dir /data`,
      url: `redis://:${password}@127.0.0.1:${port}`,
    };
  },
  probe,
  advice:
    'redis-server >= 7 or valkey-server (Debian: apt-get install redis-server; macOS: brew install redis)',
};
