/**
 * `npm run image`: builds the Dockerfile, tells its size and time, and starts a service from it when asked.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flag, runCommand, words, type Values } from '@seckill/runtime';
import { ROOT, run, StackError } from '@seckill/stack';
import { makeBase } from './base.ts';
import { findBuilder, type Builder } from './builder.ts';
import { checkRelease } from './release.ts';
import { tryImage } from './trial.ts';

const DEFAULT_BASE = 'node:24-bookworm-slim';

const HELP = `Builds one image for gateway, stock and order.

  npm run image -- [--base IMAGE] [--tag TAG] [--release] [--try]

  --base IMAGE  what to build on (default: ${DEFAULT_BASE}); where it cannot be pulled and --release is not given,
                a stand-in is made of Debian and npm's node package
  --tag TAG     name of the image (default: seckill:dev)
  --release     refuses a base without a digest (IMAGE@sha256:…) and never uses the stand-in
  --try         starts the gateway from the image and waits until it is ready
  --optional    exit code 0, and a line that says so, when this machine can build no image
  --help        this text

Uses a running Docker, else buildah (installed by apt-get on Debian as root).
Exit code: 0 done, 1 failed, 2 wrong usage.`;

const OPTIONS = { base: words, tag: words, release: flag, try: flag, optional: flag };

type ImageValues = Values<typeof OPTIONS>;

const log = (line: string): void => {
  console.log(line);
};

async function chooseBase(builder: Builder, base: string, isRelease: boolean): Promise<string> {
  if (await builder.pull(base)) return base;
  if (isRelease) throw new StackError('SECKILL_IMAGE_BASE', `${base} cannot be pulled`);
  log(`${base} cannot be pulled: building on a stand-in of Debian and npm's node package, not to be shipped`);
  return makeBase(builder, log);
}

async function revision(): Promise<string> {
  const { ok, stdout } = await run('git', ['-C', ROOT, 'rev-parse', 'HEAD'], { timeoutMs: 5_000 });
  return ok ? stdout.trim() : 'unknown';
}

async function main(values: ImageValues): Promise<undefined> {
  const { base: wanted = DEFAULT_BASE, tag = 'seckill:dev', release: isRelease = false } = values;
  if (isRelease) checkRelease(wanted);
  const builder = await findBuilder(log);
  if (builder === undefined) {
    throw new StackError(
      'SECKILL_IMAGE_BUILDER',
      'there is no running Docker and no buildah (Debian: apt-get install buildah)',
    );
  }
  const base = await chooseBase(builder, wanted, isRelease);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const begun = performance.now();
  await builder.build({
    tag,
    folder: ROOT,
    buildArguments: { BASE_IMAGE: base, VERSION: version, REVISION: await revision() },
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  const [own, under] = [await builder.sizeBytes(tag), await builder.sizeBytes(base)];
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  log(
    `${tag} built by ${builder.name} on ${base} in ${seconds} s: ${mb(own)}, ${mb(own - under)} of them ours`,
  );
  log(`id ${await builder.idOf(tag)}`);
  if (values.try !== true) return;
  mkdirSync(join(ROOT, '.run'), { recursive: true, mode: 0o700 });
  await tryImage(builder, tag, join(ROOT, '.run', 'image.log'), log);
}

/**
 * With `--optional`, a machine that has no builder or no base skips the build and says so. Every other
 * failure stays a failure.
 */
async function mainOrSkip(values: ImageValues): Promise<undefined> {
  try {
    await main(values);
  } catch (error) {
    const isLacking =
      error instanceof StackError && ['SECKILL_IMAGE_BUILDER', 'SECKILL_IMAGE_BASE'].includes(error.code);
    if (!isLacking || values.optional !== true) throw error;
    log(`skipped: ${error.message}`);
  }
}

await runCommand({ help: HELP, options: OPTIONS }, mainOrSkip);
