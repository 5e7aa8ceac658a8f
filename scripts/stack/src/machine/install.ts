/**
 * Installs packages with the machine's own package client where we may, which is Debian as root. The
 * installation never starts a service.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, fillCache } from './cache.ts';
import { findProgram, run, tailOf } from './programs.ts';
import { withProgress, type Log } from './progress.ts';

const INSTALL_MS = 10 * 60_000;

/**
 * Debian starts a service on its default port as soon as it is installed. policy-rc.d (101: not allowed) is
 * the way to prevent this. A policy-rc.d that is already there is the machine's own and stays. `flock` keeps
 * two stacks from removing the file under each other's installation.
 */
const APT = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
install() { apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"; }
install "$@" || { apt-get -q update && install "$@"; }
`;

export function canInstallPackages(): boolean {
  return (
    process.getuid?.() === 0 && findProgram('apt-get') !== undefined && findProgram('flock') !== undefined
  );
}

/**
 * Installs packages. The result is false when this machine has no apt-get, when we are not root, or when the
 * installation failed (said in the log).
 */
export async function installPackages(names: string[], log: Log): Promise<boolean> {
  if (!canInstallPackages()) return false;
  mkdirSync(cacheFolder(), { recursive: true, mode: 0o755 });
  const lock = join(cacheFolder(), 'apt.lock');
  const seconds = String(INSTALL_MS / 1000);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const task = run('flock', ['-w', seconds, lock, '/bin/sh', '-c', APT, 'apt', ...names], {
    timeoutMs: INSTALL_MS,
    mayOutliveUs: true,
    env,
  });
  const { ok, stderr, stdout } = await withProgress(`apt-get install ${names.join(' ')}`, log, task);
  if (!ok) log(`apt-get install ${names.join(' ')} failed:\n${tailOf(stderr === '' ? stdout : stderr)}`);
  return ok;
}

/** The npm that started us, else the one in PATH. */
export function npmCommand(): string[] | undefined {
  const script = process.env['npm_execpath'];
  if (script?.endsWith('.js') === true && existsSync(script)) return [process.execPath, script];
  const command = findProgram('npm');
  return command === undefined ? undefined : [command];
}

/**
 * Installs a Python program into a folder of its own. A virtual environment would hold its own path and could
 * not be renamed.
 * @param requirements every package with its version
 * @returns the folder for `PYTHONPATH`; undefined, with the reason in the log, where it cannot be had
 */
export async function fetchPythonTool(
  name: string,
  requirements: string,
  log: Log,
): Promise<string | undefined> {
  const python = findProgram('python3');
  if (python === undefined) {
    log('python3 is not in PATH');
    return undefined;
  }
  const { stdout: version } = await run(python, ['--version'], { timeoutMs: INSTALL_MS });
  const hash = createHash('sha256').update(readFileSync(requirements)).update(version).digest('hex');
  try {
    return await fillCache(`${name}-${hash.slice(0, 16)}`, async (draft) => {
      const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', draft, '-r', requirements];
      const { ok, stderr } = await withProgress(
        `pip install ${name}`,
        log,
        run(python, args, { timeoutMs: INSTALL_MS }),
      );
      if (!ok) throw new Error(tailOf(stderr));
    });
  } catch (error) {
    log(`pip cannot install ${name}: ${String(error)}`);
    return undefined;
  }
}

/**
 * Builds the one tool of a Go module.
 * @param folder its go.mod names the tool and the version, go.sum everything that it needs
 * @returns the program; undefined, with the reason in the log, where it cannot be had
 */
export async function fetchGoTool(name: string, folder: string, log: Log): Promise<string | undefined> {
  const go = findProgram('go');
  if (go === undefined) {
    log('go is not in PATH');
    return undefined;
  }
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(folder, file)));
  try {
    const built = await fillCache(`${name}-${hash.digest('hex').slice(0, 16)}`, async (draft) => {
      const args = [
        'build',
        '-trimpath',
        '-buildvcs=false',
        '-ldflags=-s -w',
        '-o',
        join(draft, name),
        'tool',
      ];
      const task = run(go, args, { timeoutMs: INSTALL_MS, cwd: folder });
      const { ok, stderr } = await withProgress(`building ${name}`, log, task);
      if (!ok) throw new Error(tailOf(stderr));
    });
    return join(built, name);
  } catch (error) {
    log(`${name} cannot be built: ${String(error)}`);
    return undefined;
  }
}

/**
 * Fetches one jar from Maven Central, without what it depends on.
 * @param artifact `group:name:version`
 * @returns the jar; undefined, with the reason in the log, where it cannot be had
 */
export async function fetchJar(artifact: string, log: Log): Promise<string | undefined> {
  const maven = findProgram('mvn');
  if (maven === undefined) {
    log('mvn is not in PATH');
    return undefined;
  }
  const [, name = '', version = ''] = artifact.split(':');
  try {
    const folder = await fillCache(`${name}-${version}`, async (draft) => {
      const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';
      const args = ['-q', '-B', goal, `-Dartifact=${artifact}`, `-DoutputDirectory=${draft}`];
      const task = run(maven, args, { timeoutMs: INSTALL_MS, cwd: draft });
      const { ok, stdout, stderr } = await withProgress(`mvn: ${name} ${version}`, log, task);
      if (!ok) throw new Error(tailOf(stdout + stderr));
    });
    return join(folder, `${name}-${version}.jar`);
  } catch (error) {
    log(`${name} cannot be had: ${String(error)}`);
    return undefined;
  }
}
