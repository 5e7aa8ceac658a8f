/** The local overlay on a cluster of one node: its secrets, calls through its Service, programs beside it. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signToken } from '@seckill/stack';
import { cluster } from './cluster.ts';

const word = (): string => randomBytes(32).toString('base64url');

const [jwtSecret, redis, postgres] = [word(), word(), word()];

export const SECRETS = {
  JWT_SECRET: jwtSecret,
  WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')}`,
  GATEWAY_TOKEN: word(),
  ORDER_TOKEN: word(),
  STOCK_TOKEN: word(),
  CONTACT_KEY: randomBytes(32).toString('base64'),
  REDIS_PASSWORD: redis,
  REDIS_URL: `redis://:${redis}@redis:6379`,
  POSTGRES_PASSWORD: postgres,
  DATABASE_URL: `postgres://seckill:${postgres}@postgres:5432/seckill`,
};

/** What `npm run secrets` writes. */
export function writeSecrets(manifests: string): void {
  const lines = Object.entries(SECRETS).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(manifests, 'overlays/local/secrets.env'), lines.join(''));
}

export const kubectl = (...args: string[]): ReturnType<typeof cluster> => cluster(['kubectl', ...args]);

/** @returns what a path of an object says, '' where it says nothing. */
export async function read(kind: string, name: string, path: string): Promise<string> {
  return (await kubectl('get', kind, name, '-n', 'seckill', '-o', `jsonpath=${path}`)).stdout;
}

/** Names as a pod finds them. */
const RESOLVER = `nameserver 10.96.0.10
search seckill.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`;

/** @returns the words that run a program of this checkout in the node, which finds names as a pod does. */
export function beside(folder: string, words: string[]): string[] {
  const resolver = join(folder, 'resolv.conf');
  writeFileSync(resolver, RESOLVER);
  const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  return ['exec', 'unshare', '--mount', 'sh', '-c', script, '-', resolver, process.execPath, ...words];
}

/** Runs in the node's network, where the Service answers. The call comes by stdin, for it holds a token. */
const ASK = `
let text = '';
process.stdin.on('data', (part) => { text += part; }).on('end', async () => {
  const { url, ...init } = JSON.parse(text);
  const response = await fetch(url, init);
  console.log(JSON.stringify({ status: response.status, body: await response.json() }));
});`;

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export async function call(gateway: string, path: string, userId: string, body?: object): Promise<Answer> {
  const isOperator = userId === 'operator';
  const token = await signToken(jwtSecret, { userId, isOperator, ttlSeconds: 3_600 });
  const request = {
    url: `http://${gateway}:8080${path}`,
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': `${userId}-${path.length}`,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const { stdout, stderr } = await cluster(
    ['exec', process.execPath, '-e', ASK],
    [],
    JSON.stringify(request),
  );
  if (stdout === '') throw new Error(`no answer of ${path}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}
