/**
 * Makes a base image where none can be pulled: Debian by debootstrap, Node.js and npm from their npm
 * packages. The same Dockerfile builds and runs on this base. An image made so is never shipped, because
 * nobody publishes fixes of its base.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  fillCache,
  findProgram,
  installPackages,
  NODE_VERSION,
  npmCommand,
  run,
  StackError,
  tailOf,
  withProgress,
  type Log,
} from '@seckill/stack';
import type { Builder } from './builder.ts';

const SUITE = 'bookworm';

const NPM_VERSION = '11.21.2';

const STEP_MS = 10 * 60_000;

async function must(what: string, log: Log, command: string, args: string[], cwd?: string): Promise<void> {
  const task = run(command, args, { timeoutMs: STEP_MS, ...(cwd === undefined ? {} : { cwd }) });
  const { ok, stdout, stderr } = await withProgress(what, log, task);
  if (!ok) throw new StackError('SECKILL_IMAGE_BASE', `${what} failed:\n${tailOf(stdout + stderr)}`);
}

/** Unpacks one npm package into `target`. */
async function unpack(name: string, version: string, target: string, draft: string, log: Log): Promise<void> {
  const [command = 'npm', ...script] = npmCommand() ?? [];
  await must(
    `npm pack ${name}@${version}`,
    log,
    command,
    [...script, 'pack', '--silent', `${name}@${version}`],
    draft,
  );
  const file = join(draft, `${name}-${version}.tgz`);
  mkdirSync(target, { recursive: true });
  await must(`tar ${name}`, log, 'tar', [
    'xzf',
    file,
    '--strip-components=1',
    '-C',
    target,
    '--no-same-owner',
  ]);
  rmSync(file);
}

async function fill(draft: string, log: Log): Promise<void> {
  const root = join(draft, 'root');
  await must(`debootstrap ${SUITE}`, log, 'debootstrap', [
    '--variant=minbase',
    '--include=ca-certificates',
    SUITE,
    root,
  ]);
  for (const folder of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man']) {
    rmSync(join(root, folder), { recursive: true, force: true });
  }
  const node = join(draft, 'node');
  await unpack(`node-linux-${process.arch}`, NODE_VERSION, node, draft, log);
  copyFileSync(join(node, 'bin/node'), join(root, 'usr/local/bin/node'));
  rmSync(node, { recursive: true });
  await unpack('npm', NPM_VERSION, join(root, 'usr/local/lib/node_modules/npm'), draft, log);
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  }
  // A machine behind a proxy of its own trusts more certificates than Debian does. This variable names them.
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  if (extra !== undefined && existsSync(extra)) copyFileSync(extra, join(root, 'etc/ssl/certs/extra.pem'));
  await must('tar of the base', log, 'tar', [
    'cf',
    join(draft, 'root.tar'),
    '--numeric-owner',
    '-C',
    root,
    '.',
  ]);
  rmSync(root, { recursive: true });
  const trust = existsSync(extra ?? '') ? 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/extra.pem\n' : '';
  writeFileSync(join(draft, 'Dockerfile'), `FROM scratch\nADD root.tar /\n${trust}CMD ["node"]\n`);
}

/**
 * Makes the stand-in image.
 * @returns the tag of the stand-in, which is built once and kept in the cache.
 * @throws StackError SECKILL_IMAGE_BASE when this machine cannot make one. Making one needs Debian, root and
 * its registries.
 */
export async function makeBase(builder: Builder, log: Log): Promise<string> {
  const tag = `seckill-base:node-${NODE_VERSION}-${SUITE}`;
  if (await builder.pull(`localhost/${tag}`)) return `localhost/${tag}`;
  if (findProgram('debootstrap') === undefined) await installPackages(['debootstrap'], log);
  if (findProgram('debootstrap') === undefined || process.getuid?.() !== 0) {
    throw new StackError('SECKILL_IMAGE_BASE', 'a base of our own needs Debian, root and debootstrap');
  }
  const folder = await fillCache(`base-${SUITE}-${NODE_VERSION}`, (draft) => fill(draft, log));
  await builder.build({ tag: `localhost/${tag}`, folder });
  return `localhost/${tag}`;
}
