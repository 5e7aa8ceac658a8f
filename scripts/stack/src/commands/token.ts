/** `npm run token -- --user u1`: makes a JWT for a running stack. */
import {
  flag,
  matching,
  print,
  runCommand,
  stackName,
  UsageError,
  wholeNumber,
  type Values,
} from '@seckill/runtime';
import { readStack } from '../info.ts';
import { signToken } from '../services/jwt.ts';

const HELP = `Prints a JWT that the gateway of a running stack accepts.

  npm run --silent token -- --user ID [--admin] [--ttl SECONDS] [--name NAME]

  --user ID      the buyer, or the operator's name
  --admin        with the scope sale:admin
  --ttl SECONDS  how long it is valid (default: 3600; at most 10 years)
  --name NAME    which stack (default: default; --stack is the same)
  --help         this text`;

const TTL_SECONDS_MAX = 10 * 365 * 86_400;

const OPTIONS = {
  // This is what the gateway takes as `sub` (docs/http-api.md).
  user: matching(/^[\x21-\x7e]{1,128}$/, '1–128 visible ASCII characters'),
  admin: flag,
  ttl: wholeNumber(1, TTL_SECONDS_MAX),
  name: stackName,
};

async function main(values: Values<typeof OPTIONS>): Promise<undefined> {
  const { user: userId, admin: isOperator = false, ttl: ttlSeconds = 3_600, name = 'default' } = values;
  if (userId === undefined) throw new UsageError('--user is needed: whom the token is for');
  const { jwtSecret } = readStack(name);
  print(await signToken(jwtSecret, { userId, isOperator, ttlSeconds }));
}

await runCommand({ help: HELP, options: OPTIONS }, main);
