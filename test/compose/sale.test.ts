// Goal: `docker compose up` is the whole system: it sells, and keeps INV-1 to INV-6. Needs a Docker engine.
// Method: a project and secrets of its own on free ports, a seeded crowd over HTTP, then the demo's own
// audit.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePorts, isDockerRunning, ROOT, run, signToken } from '@seckill/stack';
import t from 'tap';
import { Pool } from 'undici';
import { judge } from '../../bench/src/audit/judge.ts';
import { readSettled } from '../../bench/src/audit/reading.ts';
import { planCrowd } from '../../bench/src/demo/buyers.ts';
import { runCrowd } from '../../bench/src/demo/crowd.ts';
import { EngineReader } from '../../bench/src/engines/engines.ts';
import { History } from '../../bench/src/audit/history.ts';
import { Provider } from '../../bench/src/demo/provider.ts';
import { transportOver, WayIn } from '../../bench/src/demo/way-in.ts';
import { seededRandom } from '../../bench/src/random.ts';
import type { Scenario } from '../../bench/src/scenarios/scenario.ts';
import { until } from '../support/stack.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);

/** The time to start, with that of building the image where there is none yet. */
const UP_MS = 15 * 60_000;

const scenario: Scenario = {
  windowSeconds: 600,
  crowding: 2,
  sale: {
    id: 'compose-300',
    title: 'Compose',
    limitPerBuyer: 2,
    holdSeconds: 8,
    items: [{ sku: 'a', title: 'A', price: { amount: 100, currency: 'CNY' }, total: 300 }],
    channels: [{ id: 'capped', kind: 'community', title: 'Capped', cap: 50 }],
  },
};

async function findCompose(): Promise<[string, string[]] | undefined> {
  if (!(await isDockerRunning())) return undefined;
  if ((await run('docker', ['compose', 'version'], { timeoutMs: 10_000 })).ok) return ['docker', ['compose']];
  return findProgram('docker-compose') === undefined ? undefined : ['docker-compose', []];
}

/** Makes secrets as `npm run secrets` does, and takes free ports instead of the contract's. */
async function writeEnvironment(folder: string): Promise<Record<string, string>> {
  const [gateway, redis, kafka, postgres] = await freePorts(4);
  const secret = (): string => crypto.randomUUID() + crypto.randomUUID();
  const values = {
    REDIS_PASSWORD: secret(),
    POSTGRES_PASSWORD: secret(),
    GATEWAY_TOKEN: secret(),
    ORDER_TOKEN: secret(),
    STOCK_TOKEN: secret(),
    JWT_SECRET: secret(),
    WEBHOOK_SECRETS: `whsec_${Buffer.from(secret().slice(0, 32)).toString('base64')}`,
    CONTACT_KEY: Buffer.from(secret().slice(0, 32)).toString('base64'),
    RATE_LIMIT_USER_MAX: '1000000',
    RATE_LIMIT_ADDRESS_MAX: '1000000',
    GATEWAY_PORT: String(gateway),
    REDIS_PORT: String(redis),
    KAFKA_PORT: String(kafka),
    POSTGRES_PORT: String(postgres),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, '.env'), lines.join(''), { mode: 0o600 });
  return values;
}

const compose = await findCompose();

await t.test(
  `a sale through docker compose keeps every invariant (seed ${SEED})`,
  { skip: compose === undefined ? 'no Docker engine with compose at hand' : false, timeout: UP_MS + 300_000 },
  async (t) => {
    const [command, first] = compose ?? ['', []];
    const folder = mkdtempSync(join(tmpdir(), 'seckill-compose-'));
    const env = await writeEnvironment(folder);
    const place = ['--project-name', `seckill-test-${process.pid}`, '--project-directory', ROOT];
    const file = ['--file', join(ROOT, 'docker-compose.yml'), '--env-file', join(folder, '.env')];
    const call = (args: string[]): string =>
      execFileSync(command, [...first, ...file, ...place, ...args], {
        // The caller's variables are left out, because they would win over the file's.
        env: { ...process.env, ...env },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: UP_MS,
      });
    t.teardown(() => {
      call(['down', '--volumes', '--timeout', '30']);
      rmSync(folder, { recursive: true });
    });
    call(['up', '--detach']);

    const gateway = `http://127.0.0.1:${env['GATEWAY_PORT'] ?? ''}`;
    await until(
      'the gateway is ready',
      async () => {
        const answer = await fetch(`${gateway}/readyz`).catch(() => undefined);
        return answer?.status === 200;
      },
      120_000,
    );
    const jwtSecret = env['JWT_SECRET'] ?? '';
    const created = await fetch(`${gateway}/v1/sales`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await signToken(jwtSecret, { userId: 'operator', isOperator: true })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ ...scenario.sale, closesAt: new Date(Date.now() + 600_000).toISOString() }),
    });
    t.equal(created.status, 201, await created.text());

    const engines = new EngineReader({
      redis: `redis://:${env['REDIS_PASSWORD'] ?? ''}@127.0.0.1:${env['REDIS_PORT'] ?? ''}`,
      kafka: `127.0.0.1:${env['KAFKA_PORT'] ?? ''}`,
      postgres: `postgres://seckill:${env['POSTGRES_PASSWORD'] ?? ''}@127.0.0.1:${env['POSTGRES_PORT'] ?? ''}/seckill`,
    });
    t.teardown(() => engines.close());
    const http = new Pool(gateway, { connections: 32 });
    t.teardown(() => http.close());
    const history = new History();
    const wayIn = new WayIn(transportOver(http), 32);
    await runCrowd({
      scenario,
      // Everyone keeps trying, so that no unit is left over.
      buyers: planCrowd(scenario, 600, seededRandom(SEED)).map((buyer) => ({ ...buyer, isPatient: true })),
      opensAt: Date.now(),
      wayIn,
      provider: new Provider(wayIn.checkout, env['WEBHOOK_SECRETS'] ?? ''),
      history,
      signal: AbortSignal.timeout(300_000),
      tokenOf: (userId) => signToken(jwtSecret, { userId, isOperator: false }),
    });
    const reading = await readSettled(engines, [scenario.sale.id], 60_000);
    t.same(judge(reading, history), [], 'every invariant holds');
    const paid = reading.sales[0]?.lane.items.reduce((sum, item) => sum + item.paid, 0);
    t.equal(paid, 300, 'every unit ended paid');

    // The secrets of a container are in none of its logs.
    const logs = call(['logs', '--no-color']);
    for (const name of ['JWT_SECRET', 'GATEWAY_TOKEN', 'REDIS_PASSWORD', 'POSTGRES_PASSWORD']) {
      t.notOk(logs.includes(env[name] ?? ''), `${name} is not logged`);
    }
  },
);
