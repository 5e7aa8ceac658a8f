/** `npm start`: runs the whole system until Ctrl-C. */
import { flag, runCommand, stackName, type Values } from '@seckill/runtime';
import { onEnd } from '../machine/lifetime.ts';
import { startStack } from '../services/stack.ts';
import type { Stack } from '../services/stack.ts';
import { createExampleSales } from '../storefront/example-sales.ts';
import { serveStorefront } from '../storefront/storefront.ts';
import type { Storefront } from '../storefront/storefront.ts';

const HELP = `Starts Redis, Kafka, PostgreSQL, then order, stock, gateway and the example storefront, and keeps them until
Ctrl-C. Where there is no sale, it makes three for the storefront.

  npm start -- [--name NAME] [--cluster]

  --name NAME   name of the stack (default: default); a name in use is refused (--stack is the same)
  --cluster     three Redis primaries with a replica each, three Kafka nodes, PostgreSQL with a standby: programs of
                this machine, 2 GB of memory
  --help        this text

A process that ends by itself is started again; one that does not last ends everything, and the last lines say why.
The gateway listens on 8080 and the storefront on 8090, or on free ports where these are taken, which is said.

Addresses and secrets stand in .run/NAME/stack.json, the services' output in .run/NAME/*.log.
Variables of the environment reach the services (RATE_LIMIT_USER_MAX=…); payments are the sandbox unless PAYMENTS says otherwise.`;

const OPTIONS = { name: stackName, cluster: flag };

/** The caller's origins stay allowed. */
const withOrigins = (allowed: string | undefined, own: string[]): string =>
  [...(allowed ?? '').split(','), ...own]
    .map((origin) => origin.trim())
    .filter(Boolean)
    .join(',');

async function main({ name = 'default', cluster = false }: Values<typeof OPTIONS>): Promise<number> {
  const session: { stack?: Stack; storefront?: Storefront } = {};
  const stop = async (): Promise<void> => {
    await session.storefront?.stop();
    await session.stack?.stop();
  };
  const watch = onEnd(async (reason) => {
    console.log(`${reason}: stopping`);
    await stop();
  });
  // The storefront listens first, because the gateway has to know the page's origin.
  const storefront = (session.storefront = await serveStorefront(name === 'default'));
  session.stack = await startStack({
    name,
    isKept: true,
    isCluster: cluster,
    env: {
      ALLOWED_ORIGINS: withOrigins(process.env['ALLOWED_ORIGINS'], storefront.origins),
      CONSOLE: process.env['CONSOLE'] ?? 'true',
    },
    log: (line) => {
      console.log(line);
    },
  });
  const { gateway, stock, order, jwtSecret } = session.stack.info;
  storefront.open({ gateway, jwtSecret });
  for (const trouble of await createExampleSales(gateway, jwtSecret)) console.error(trouble);
  const words = [...(name === 'default' ? [] : [`--name ${name}`]), ...(cluster ? ['--cluster'] : [])];
  const startOption = words.length === 0 ? '' : ` -- ${words.join(' ')}`;
  const nameOption = name === 'default' ? '' : ` --name ${name}`;
  console.log(`
  storefront  ${storefront.url}    a page to buy from: signs everybody in, and pays in the sandbox
  gateway  ${gateway}    the public API; for the README's examples: GATEWAY=${gateway}
  console  ${gateway}/console    for operators; sign in with: npm run --silent token -- --user you --admin${nameOption}
  stock    ${stock}
  order    ${order}
  secrets  .run/${name}/stack.json
  a token  npm run --silent token -- --user u1${nameOption}

Ctrl-C stops everything.`);
  const trouble = await session.stack.broken;
  console.error(`\n${trouble}\n\nStopping everything.`);
  watch.release();
  await stop();
  console.error(
    `The services' logs stay in .run/${name} for a day. Mend the cause, then: npm start${startOption}`,
  );
  return 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
