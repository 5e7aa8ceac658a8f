/** Docker or buildah: two programs that build the Dockerfile, behind one shape. */
import { join } from 'node:path';
import {
  cacheFolder,
  findProgram,
  installPackages,
  isDockerRunning,
  run,
  StackError,
  tailOf,
  withProgress,
  type Log,
  type Outcome,
} from '@seckill/stack';

/**
 * On two busy cores a build took under three minutes, npm and the compiler included. A build that takes
 * longer than this hangs.
 */
const BUILD_MS = 20 * 60_000;

const QUICK_MS = 60_000;

export interface BuildOptions {
  tag: string;
  folder: string;
  file?: string;
  buildArguments?: Record<string, string>;
}

export interface Builder {
  name: 'docker' | 'buildah';
  /** @throws StackError SECKILL_IMAGE_BUILD with the tail of what the program said. */
  build(options: BuildOptions): Promise<void>;
  /** False when the image is neither here nor to be had. */
  pull(image: string): Promise<boolean>;
  sizeBytes(image: string): Promise<number>;
  /** Whether the image is here. Nothing is pulled. */
  has(image: string): Promise<boolean>;
  /** Writes the image under its name into a file that containerd imports. */
  archive(image: string, file: string): Promise<void>;
  /** Digest of the image's configuration. The same content gives the same id. */
  idOf(image: string): Promise<string>;
  /**
   * The program and arguments that run `command` in the image, on the ports of this machine, until it ends.
   */
  start(image: string, name: string, variables: Record<string, string>): Promise<[string, string[]]>;
  remove(name: string): Promise<void>;
}

function argumentsOf({ tag, folder, file, buildArguments = {} }: BuildOptions): string[] {
  const pairs = Object.entries(buildArguments).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  return ['--tag', tag, '--file', file ?? join(folder, 'Dockerfile'), ...pairs, folder];
}

async function finish(what: string, log: Log, task: Promise<Outcome>): Promise<void> {
  const { ok, stdout, stderr } = await withProgress(what, log, task);
  if (!ok) throw new StackError('SECKILL_IMAGE_BUILD', `${what} failed:\n${tailOf(stdout + stderr, 30)}`);
}

function docker(log: Log): Builder {
  const ask = async (...args: string[]): Promise<Outcome> => run('docker', args, { timeoutMs: QUICK_MS });
  return {
    name: 'docker',
    build: (options) =>
      finish(
        `docker build ${options.tag}`,
        log,
        // Both the classic builder of Debian's docker.io and BuildKit read this Dockerfile.
        run('docker', ['build', '--network', 'host', ...argumentsOf(options)], { timeoutMs: BUILD_MS }),
      ),
    pull: async (image) =>
      (await ask('image', 'inspect', image)).ok ||
      (await run('docker', ['pull', '-q', image], { timeoutMs: BUILD_MS })).ok,
    sizeBytes: async (image) =>
      Number((await ask('image', 'inspect', '--format', '{{.Size}}', image)).stdout),
    has: async (image) => (await ask('image', 'inspect', image)).ok,
    archive: (image, file) =>
      finish(
        `docker save ${image}`,
        log,
        run('docker', ['save', '--output', file, image], { timeoutMs: BUILD_MS }),
      ),
    idOf: async (image) => (await ask('image', 'inspect', '--format', '{{.Id}}', image)).stdout.trim(),
    start: async (image, name, variables) => [
      'docker',
      [
        ...['run', '--rm', '--name', name, '--network', 'host', '--read-only', '--cap-drop', 'ALL'],
        ...Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        image,
      ],
    ],
    remove: async (name) => {
      await ask('rm', '--force', name);
    },
  };
}

/** The part of `buildah inspect`'s answer that is read here. */
interface Inspected {
  FromImageID: string;
  OCIv1: { config: { Entrypoint?: string[]; Cmd?: string[] } };
}

/**
 * Builds with buildah, without a daemon. buildah also does without the kernel's overlay and namespaces, which
 * a container of its own (CI) may not have. The images stand in the cache, apart from the machine's own.
 */
function buildah(log: Log): Builder {
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  const store = join(cacheFolder(), 'containers');
  const global = ['--storage-driver', 'vfs', '--root', store, '--runroot', `${store}-run`];
  const ask = async (...args: string[]): Promise<Outcome> =>
    run('buildah', [...global, ...args], { timeoutMs: QUICK_MS, env });
  const inspect = async (image: string): Promise<Inspected> =>
    JSON.parse((await ask('inspect', '--type', 'image', image)).stdout) as Inspected;
  return {
    name: 'buildah',
    build: (options) =>
      finish(
        `buildah bud ${options.tag}`,
        log,
        // The format is `docker`, because OCI's own format has no place for a health check. `--layers` is
        // left out, because vfs copies the whole image for each instruction with it (233 s against 98 s).
        run('buildah', [...global, 'bud', '--format', 'docker', ...argumentsOf(options)], {
          timeoutMs: BUILD_MS,
          env,
        }),
      ),
    pull: async (image) => {
      if ((await ask('inspect', '--type', 'image', image)).ok) return true;
      return (await run('buildah', [...global, 'pull', '-q', image], { timeoutMs: BUILD_MS, env })).ok;
    },
    // The size is in bytes only here, because `images` rounds.
    sizeBytes: async (image) => {
      const { stdout } = await ask('images', '--json', image);
      const text = (JSON.parse(stdout) as { size: string }[])[0]?.size ?? '';
      const [, number = '0', unit = ''] = /^([\d.]+) ?(.?B)$/.exec(text) ?? [];
      return Number(number) * ({ KB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1);
    },
    has: async (image) => (await ask('inspect', '--type', 'image', image)).ok,
    archive: (image, file) => {
      const target = ['--disable-compression', image, `docker-archive:${file}:${image}`];
      return finish(
        `buildah push ${image}`,
        log,
        run('buildah', [...global, 'push', ...target], { timeoutMs: BUILD_MS, env }),
      );
    },
    idOf: async (image) => (await inspect(image)).FromImageID,
    start: async (image, name, variables) => {
      const { ok, stderr } = await ask('from', '--pull-never', '--name', name, image);
      if (!ok) throw new StackError('SECKILL_IMAGE_BUILD', `buildah from ${image} failed:\n${stderr}`);
      const { Entrypoint = [], Cmd = [] } = (await inspect(image)).OCIv1.config;
      const settings = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      return ['buildah', [...global, 'run', ...settings, name, '--', ...Entrypoint, ...Cmd]];
    },
    remove: async (name) => {
      await ask('rm', name);
    },
  };
}

/**
 * Finds a running Docker, or else buildah, which is installed by apt-get where we may. The result is
 * undefined when neither exists.
 */
export async function findBuilder(log: Log): Promise<Builder | undefined> {
  if (await isDockerRunning()) return docker(log);
  if (findProgram('buildah') === undefined) await installPackages(['buildah'], log);
  return findProgram('buildah') === undefined ? undefined : buildah(log);
}
