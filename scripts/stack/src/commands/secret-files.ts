/** `npm run secrets`: makes anew the secrets that compose and the local overlay of Kubernetes read. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flag, runCommand, type Values } from '@seckill/runtime';
import { makeSecrets } from '../services/environment.ts';
import { ROOT } from '../names.ts';
import { makePassword } from '../machine/secrets.ts';

const HELP = `Makes the secrets of a deployment on this machine.

  npm run secrets -- [--force] [--help]

Writes .env (docker compose) and k8s/overlays/local/secrets.env (kubectl apply -k), readable by you alone and not in git.
Files that exist are kept: new passwords do not open the volumes of old ones. --force replaces them.`;

const OPTIONS = { force: flag };

const toLines = (values: Record<string, string>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

/**
 * Makes the contents by file. The files share the names of their passwords but not the passwords, because
 * each file belongs to another deployment.
 */
function makeSecretFiles(): Record<string, string> {
  const compose = { ...makeSecrets(), REDIS_PASSWORD: makePassword(), POSTGRES_PASSWORD: makePassword() };
  const redisPassword = makePassword();
  const postgresPassword = makePassword();
  const local = {
    ...makeSecrets(),
    REDIS_PASSWORD: redisPassword,
    REDIS_URL: `redis://:${redisPassword}@redis:6379`,
    POSTGRES_PASSWORD: postgresPassword,
    DATABASE_URL: `postgres://seckill:${postgresPassword}@postgres:5432/seckill`,
  };
  return { '.env': toLines(compose), 'k8s/overlays/local/secrets.env': toLines(local) };
}

async function main({ force = false }: Values<typeof OPTIONS>): Promise<undefined> {
  for (const [file, text] of Object.entries(makeSecretFiles())) {
    const path = join(ROOT, file);
    const isKept = existsSync(path) && !force;
    // The mode counts for a new file only, and the old one may have been open to others.
    if (!isKept) {
      rmSync(path, { force: true });
      writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    }
    console.log(`${file} ${isKept ? 'kept (--force replaces it)' : 'written'}`);
  }
}

await runCommand({ help: HELP, options: OPTIONS }, main);
