/** `npm start`: runs the whole system until Ctrl-C. */
import { runCommand, stackName, type Values } from '@seckill/runtime';
import { onEnd } from '../machine/lifetime.ts';
import { startStack } from '../services/stack.ts';
import type { Stack } from '../services/stack.ts';

const HELP = `Starts Redis, Kafka, PostgreSQL, then order, stock and gateway, and keeps them until Ctrl-C.

  npm start -- [--name NAME]

  --name NAME   name of the stack (default: default); a name in use is refused (--stack is the same)
  --help        this text

A process that ends by itself is started again; one that does not last ends everything, and the last lines say why.
The gateway listens on 8080, or on a free port if that is taken, which is said.

Addresses and secrets stand in .run/NAME/stack.json, the services' output in .run/NAME/*.log.
Variables of the environment reach the services (RATE_LIMIT_USER_MAX=…); payments are the sandbox unless PAYMENTS says otherwise.`;

const OPTIONS = { name: stackName };

async function main({ name = 'default' }: Values<typeof OPTIONS>): Promise<number> {
  const session: { stack?: Stack } = {};
  const watch = onEnd(async (reason) => {
    console.log(`${reason}: stopping`);
    await session.stack?.stop();
  });
  session.stack = await startStack({
    name,
    isKept: true,
    log: (line) => {
      console.log(line);
    },
  });
  const { gateway, stock, order } = session.stack.info;
  const startOption = name === 'default' ? '' : ` -- --name ${name}`;
  const nameOption = name === 'default' ? '' : ` --name ${name}`;
  console.log(`
  gateway  ${gateway}    the public API; for the README's examples: GATEWAY=${gateway}
  stock    ${stock}
  order    ${order}
  secrets  .run/${name}/stack.json
  a token  npm run --silent token -- --user u1${nameOption}

Ctrl-C stops everything.`);
  const trouble = await session.stack.broken;
  console.error(`\n${trouble}\n\nStopping everything.`);
  watch.release();
  await session.stack.stop();
  console.error(
    `The services' logs stay in .run/${name} for a day. Mend the cause, then: npm start${startOption}`,
  );
  return 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
