/** `npm run image`: builds the Dockerfile, tells size and time, starts a service from it when asked. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, run, runCli, StackError } from '@seckill/stack';
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

const CLI = {
  base: { type: 'string', default: DEFAULT_BASE },
  tag: { type: 'string', default: 'seckill:dev' },
  release: { type: 'boolean', default: false },
  try: { type: 'boolean', default: false },
  optional: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

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

async function main(): Promise<number> {
  const { values } = parseArgs({ options: CLI });
  if (values.help) {
    log(HELP);
    return 0;
  }
  if (values.release) checkRelease(values.base);
  const builder = await findBuilder(log);
  if (builder === undefined) {
    throw new StackError(
      'SECKILL_IMAGE_BUILDER',
      'there is no running Docker and no buildah (Debian: apt-get install buildah)',
    );
  }
  const base = await chooseBase(builder, values.base, values.release);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const begun = performance.now();
  await builder.build({
    tag: values.tag,
    folder: ROOT,
    buildArguments: { BASE_IMAGE: base, VERSION: version, REVISION: await revision() },
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  const [own, under] = [await builder.sizeBytes(values.tag), await builder.sizeBytes(base)];
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  log(
    `${values.tag} built by ${builder.name} on ${base} in ${seconds} s: ${mb(own)}, ${mb(own - under)} of them ours`,
  );
  log(`id ${await builder.idOf(values.tag)}`);
  if (!values.try) return 0;
  mkdirSync(join(ROOT, '.run'), { recursive: true, mode: 0o700 });
  await tryImage(builder, values.tag, join(ROOT, '.run', 'image.log'), log);
  return 0;
}

/** With `--optional` a machine that has no builder or no base skips, and says so; whatever else fails, fails. */
async function mainOrSkip(): Promise<number> {
  try {
    return await main();
  } catch (error) {
    const isLacking =
      error instanceof StackError && ['SECKILL_IMAGE_BUILDER', 'SECKILL_IMAGE_BASE'].includes(error.code);
    if (!isLacking || !process.argv.includes('--optional')) throw error;
    log(`skipped: ${error.message}`);
    return 0;
  }
}

await runCli(mainOrSkip);
