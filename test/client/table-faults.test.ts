// Goal: whatever is away for a while, a client that does nothing but follow the table "What a client does" of
// docs/http-api.md ends with a true answer, and never with a second unit. Method: as of table.test.ts;
// processes are frozen, killed and started again, answers are swallowed, and a request comes too slowly.
import { connect } from 'node:net';
import { forwardTcp } from '@seckill/testing';
import t from 'tap';
import { buildStack, createSale, readHeld, until } from '../support/stack.ts';
import { makeCalls } from './table/table-calls.ts';

const system = await buildStack(t, 'client-table-faults');
const { stack } = system;
const admin = await system.token('operator', true);
const { client, reserving, change, act, untilOver } = await makeCalls(system);
const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await t.test('rate_limited: everybody gets through, each once', async (t) => {
  await createSale(system, 'table-limited');
  const env = { RATE_LIMIT_USER_MAX: '1', DRAIN_MS: '0' };
  const tight = await stack.startProcess({ service: 'gateway', name: 'gateway-table', env });
  const hurried = await makeCalls(system, tight.url);
  const calls = await Promise.all([1, 2, 3].map(() => reserving('table-limited', 'quick', [['a', 1]])));
  const ends = await Promise.all(calls.map((call) => hurried.client.follow(call)));
  t.ok(ends.some(({ heard }) => heard.includes('rate_limited')));
  t.same(
    ends.map(({ end, key }) => ({ end, key })),
    calls.map(({ key }) => ({ end: 'done', key })),
  );
  t.equal(await readHeld(system, 'table-limited'), 3);
});

await t.test('no answer at all: the repeat tells, and nothing is taken twice', async (t) => {
  await createSale(system, 'table-swallowed');
  const way = await forwardTcp(t, stack.info.gateway);
  const unlucky = await makeCalls(system, new URL(way.url).origin);
  way.swallow();
  const call = await reserving('table-swallowed', 'unlucky', [['a', 1]]);
  await unlucky.untilOver(t, call, 'no answer at all', () => way.mend());
  t.equal(await readHeld(system, 'table-swallowed'), 1);
});

await t.test('408: the same request again, on a new connection', async (t) => {
  await createSale(system, 'table-slow');
  const { port } = new URL(stack.info.gateway);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('POST /v1/sales/table-slow/reservations HTTP/1.1\r\nhost: x\r\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  t.match(text, /^HTTP\/1\.1 408 /);
  t.equal(client.rowOf(change('table-slow/reservations'), '408').kind, 'repeat');
  t.match(await client.follow(await reserving('table-slow', 'slow', [['a', 1]])), { end: 'done' });
  t.equal(await readHeld(system, 'table-slow'), 1);
});

await t.test('outcome_unknown: a frozen stock, for buyers and operators', async (t) => {
  await createSale(system, 'table-frozen');
  const pid = stack.info.pids['stock'] ?? 0;
  process.kill(pid, 'SIGSTOP');
  const calls = [
    await reserving('table-frozen', 'cold', [['a', 1]]),
    change('table-frozen/items/b/pause'),
    { ...change('', { quantity: 3 }), path: '/v1/sales/table-frozen/items/b/restock', key: 'truck' },
  ];
  const following = calls.map((call) => client.follow(call));
  await rest(6_500);
  process.kill(pid, 'SIGCONT');
  for (const { end, heard, key } of await Promise.all(following)) {
    t.equal(end, 'done', `${String(key)}: ${heard.join(', ')}`);
    t.ok(heard.includes('outcome_unknown') || heard.includes('no answer at all'), heard.join(', '));
  }
  const { body } = await system.send({ path: '/v1/sales/table-frozen', token: admin });
  t.match(body['items'], [{ held: 1 }, { total: 8, paused: true }], 'each was done once');
});

await t.test('sale_unavailable, overloaded, order_not_ready: who was killed comes back', async (t) => {
  await createSale(system, 'table-killed');
  await stack.kill('stock');
  const reserve = await reserving('table-killed', 'u', [['a', 1]]);
  await untilOver(t, reserve, 'sale_unavailable', () => stack.restart('stock'));
  await stack.kill('order');
  await untilOver(t, change('table-killed/items/b/pause'), 'overloaded', () => stack.restart('order'));
  await stack.engines.kill('kafka');
  const waiting = await client.follow(await reserving('table-killed', 'w', [['a', 1]]));
  const path = `/v1/orders/${String(waiting.body['id'])}/cancel`;
  const cancel = { method: 'POST' as const, path, token: await system.token('w') };
  await untilOver(t, cancel, 'order_not_ready', () => stack.engines.restart('kafka'));
  t.match(await act('w', waiting, 'pay'), { end: 'show', body: { orderStatus: 'cancelled' } });
  await until('each unit is where it belongs', async () => (await readHeld(system, 'table-killed')) === 1);
});
