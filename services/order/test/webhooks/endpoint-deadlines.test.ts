// Goal: a change of a webhook endpoint that comes late changes nothing, so that it cannot undo a newer one.
// Method: the `http` role over a real Postgres; another connection holds the lock that the change needs.
import type { WebhookEndpoint } from '@seckill/contracts';
import { test, type Test } from 'tap';
import { createDatabase } from '../support/database.ts';
import { createService } from '../support/service.ts';
import { createStock } from '../support/stock.ts';

const LATE = { status: 503, body: { code: 'overloaded' } };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function build(t: Test) {
  const { pool } = await createDatabase(t);
  const { call } = await createService(t, pool, (await createStock(t)).url, { webhookAllowPrivate: true });
  const now = async () => ((await call('GET', '/v1/clock')).body as unknown as { now: number }).now;
  const create = (headers: Record<string, string> = {}) =>
    call('POST', '/v1/webhook-endpoints', {
      headers,
      body: { url: 'http://127.0.0.1:1/hook', events: ['order.paid'] },
    });
  const { id } = (await create()).body as unknown as WebhookEndpoint;
  const path = `/v1/webhook-endpoints/${id}`;
  /** Each call that changes an endpoint which is there. */
  const changes = {
    patch: (headers: Record<string, string>) => call('PATCH', path, { headers, body: { state: 'paused' } }),
    rotate: (headers: Record<string, string>) => call('POST', `${path}/rotate`, { headers }),
    remove: (headers: Record<string, string>) => call('DELETE', path, { headers }),
  };
  const stored = async () => {
    const { rows } = await pool.query('SELECT id, state, old_secret FROM webhook_endpoints');
    return rows as unknown[];
  };
  return { pool, id, now, create, changes, stored };
}

await test('after its deadline no endpoint is made, changed or removed, and none has a new secret', async (t) => {
  const { id, now, create, changes, stored } = await build(t);
  const passed = { 'x-deadline': String((await now()) - 1) };
  t.match(await create(passed), LATE, 'create');
  for (const [name, change] of Object.entries(changes)) t.match(await change(passed), LATE, name);
  t.same(await stored(), [{ id, state: 'enabled', old_secret: null }]);
  const ahead = { 'x-deadline': String((await now()) + 5_000) };
  t.match(await create(ahead), { status: 201 });
  t.match(await changes.patch(ahead), { status: 200, body: { state: 'paused' } });
  t.match(await changes.rotate(ahead), { status: 200 });
  t.match(await changes.remove(ahead), { status: 204 });
  t.match(await changes.patch(passed), { status: 404 }, 'what is not there is said, however late');
});

await test('the wait for the lock of an endpoint counts', async (t) => {
  const { pool, id, now, changes, stored } = await build(t);
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM webhook_endpoints WHERE id = $1 FOR UPDATE', [id]);
  const soon = { 'x-deadline': String((await now()) + 300) };
  const answers = Promise.all(Object.values(changes).map((change) => change(soon)));
  await sleep(700);
  // Nothing of the row has changed, so Postgres by itself would not look at it again.
  await client.query('COMMIT');
  client.release();
  for (const answer of await answers) t.match(answer, LATE);
  t.same(await stored(), [{ id, state: 'enabled', old_secret: null }]);
});
