/** `npm run k8s:tools`: what `npm run test:k8s` uses when it is there, but does not build by itself. */
import { buildApiServer } from './api-server.ts';
import { runCli } from '../cli.ts';
import { onEnd } from '../machine/lifetime.ts';

async function main(): Promise<number> {
  // An unfinished build is thrown away by the cache; Go's own cache lets the next one go on from there.
  onEnd(async () => undefined);
  const files = await buildApiServer((line) => {
    console.error(line);
  });
  for (const file of files) console.log(file);
  return 0;
}

await runCli(main);
