/** `npm run token -- --user u1`: a JWT for a running stack. */
import { parseArgs } from 'node:util';
import { runCli } from '../cli.ts';
import { StackError } from '../errors.ts';
import { readStack } from '../info.ts';
import { signToken } from '../services/jwt.ts';

const HELP = `Prints a JWT that the gateway of a running stack accepts.

  npm run --silent token -- --user ID [--admin] [--ttl SECONDS] [--name NAME]

  --user ID      the buyer, or the operator's name
  --admin        with the scope sale:admin
  --ttl SECONDS  how long it is valid (default: 3600)
  --name NAME    which stack (default: default)
  --help         this text`;

const CLI = {
  user: { type: 'string' },
  admin: { type: 'boolean', default: false },
  ttl: { type: 'string', default: '3600' },
  name: { type: 'string', default: 'default' },
  help: { type: 'boolean' },
} as const;

/** contract.md: `sub` is 1–128 visible ASCII characters. */
const USER = /^[\x21-\x7e]{1,128}$/;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: CLI });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  const ttlSeconds = Number(values.ttl);
  if (values.user === undefined || !USER.test(values.user)) {
    throw new StackError('SECKILL_STACK_USAGE', '--user is required: 1–128 visible ASCII characters');
  }
  if (!Number.isInteger(ttlSeconds) || ttlSeconds <= 0) {
    throw new StackError('SECKILL_STACK_USAGE', '--ttl must be a whole number of seconds above 0');
  }
  const { jwtSecret } = readStack(values.name);
  console.log(await signToken(jwtSecret, { userId: values.user, isAdmin: values.admin, ttlSeconds }));
  return 0;
}

await runCli(main);
