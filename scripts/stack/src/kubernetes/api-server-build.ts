/** `npm run k8s:tools`: builds what `npm run test:k8s` uses when it is there but does not build by itself. */
import { buildApiServer } from './api-server.ts';
import { runCommand } from '@seckill/runtime';
import { onEnd } from '../machine/lifetime.ts';

const HELP = `Builds the API server of Kubernetes and its etcd into the cache, for npm run test:k8s.

  npm run k8s:tools

Needs Go 1.25 or newer; takes some minutes, once. Exit code: 0 done, 1 failed, 2 wrong usage.`;

async function main(): Promise<undefined> {
  // The cache throws away an unfinished build. Go's own cache lets the next build go on from there.
  onEnd(async () => undefined);
  const files = await buildApiServer((line) => {
    console.error(line);
  });
  for (const file of files) console.log(file);
}

await runCommand({ help: HELP, options: {} }, main);
