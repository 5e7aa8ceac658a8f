/** `npm run stack`: runs the three engines alone, until Ctrl-C. */
import { join } from 'node:path';
import { runCommand, stackName, type Values } from '@seckill/runtime';
import { startEngines } from '../engines/engine-set.ts';
import type { Engines } from '../engines/engine-set.ts';
import { writeInfo } from '../info.ts';
import { onEnd } from '../machine/lifetime.ts';
import { claimName } from '../names.ts';

const HELP = `Starts Redis, Kafka and PostgreSQL on free loopback ports and keeps them until Ctrl-C.

  npm run stack -- [--name NAME]

  --name NAME   name of the stack (default: default); a name in use is refused (--stack is the same)
  --help        this text

Each engine comes from its variable (REDIS_URL, KAFKA_BROKERS, DATABASE_URL), else Docker, else a program of this machine,
else the package client. Their data lies in a temporary folder and is removed at the end.`;

const OPTIONS = { name: stackName };

/** The address for people, without its password, which stands in stack.json alone. */
function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/, ':…@');
}

async function main({ name = 'default' }: Values<typeof OPTIONS>): Promise<number> {
  const claim = claimName(name);
  const session: { engines?: Engines } = {};
  onEnd(async (reason) => {
    console.log(`${reason}: stopping`);
    await session.engines?.stop();
    claim.release();
  });
  const log = (line: string): void => {
    console.log(line);
  };
  const engines = await startEngines({ name: claim.name, claim, log });
  session.engines = engines;
  const { redis, kafka, postgres, pids } = engines;
  writeInfo(claim.folder, { redis, kafka, postgres, pids });
  console.log(`
  REDIS_URL      ${withoutPassword(redis)}
  KAFKA_BROKERS  ${kafka}
  DATABASE_URL   ${withoutPassword(postgres)}
  passwords      ${join('.run', claim.name, 'stack.json')}

Ctrl-C stops everything.`);
  const ended = await engines.broken;
  console.error(ended);
  await engines.stop();
  claim.release();
  return 1;
}

await runCommand({ help: HELP, options: OPTIONS }, main);
