// Goal: `docker compose up` is the whole system: it sells, and keeps INV-1 to INV-6. Needs a Docker engine.
// Method: a project and secrets of its own on free ports, a seeded crowd over HTTP, then the demo's own
// audit.
import { signToken } from '@seckill/stack';
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
import { findCompose, MISSING, startProject, UP_MS } from './project.ts';

const SEED = Number(process.env['SECKILL_SEED'] ?? Date.now() % 1_000_000);

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

const compose = await findCompose();

await t.test(
  `a sale through docker compose keeps every invariant (seed ${SEED})`,
  { skip: compose === undefined ? MISSING : false, timeout: UP_MS + 300_000 },
  async (t) => {
    if (compose === undefined) return;
    const { env, gateway, leaks } = await startProject(t, compose, ['docker-compose.yml']);
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

    t.same(leaks(), [], 'no secret of a container is logged');
  },
);
