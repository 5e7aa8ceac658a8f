/**
 * Goal: no part of what builds the image is forgotten or loosened unseen. Method: the Dockerfile's own text,
 * and the rule of a release.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@seckill/runtime';
import { ROOT } from '@seckill/stack';
import { test } from 'tap';
import { checkRelease } from '../src/release.ts';

const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');

await test('the Dockerfile copies the manifest of every workspace, or npm ci would refuse the lock file', async (t) => {
  const { workspaces } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    workspaces: string[];
  };
  const folders = workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    return readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`);
  });
  t.ok(folders.length >= 8);
  for (const folder of folders) t.match(DOCKERFILE, `COPY ${folder}/package.json ${folder}/`);
});

await test('the image runs as a high user without a shell, and its base has no default', async (t) => {
  t.match(DOCKERFILE, /^ARG BASE_IMAGE$/m);
  t.match(DOCKERFILE, /^USER 10001:10001$/m);
  t.match(DOCKERFILE, /^ENTRYPOINT \["node"\]$/m);
  t.match(DOCKERFILE, /^CMD \["services\/gateway\/dist\/main\.js"\]$/m);
  t.match(DOCKERFILE, /^ {2}CMD \["node", "packages\/runtime\/dist\/health-check\.js"\]$/m);
});

await test('a release refuses a base that is named by its tag alone', async (t) => {
  for (const base of [
    'node',
    'node:24-bookworm-slim',
    'node@sha256:abc',
    'node:24@md5:00000000000000000000000000000000',
  ]) {
    t.throws(() => {
      checkRelease(base);
    }, UsageError);
  }
  t.doesNotThrow(() => {
    checkRelease(`node:24-bookworm-slim@sha256:${'0'.repeat(64)}`);
  });
});
