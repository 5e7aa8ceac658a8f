// Goal: PostgreSQL is told to be away only when order says so. Method: answers as they come from the wire.
import { UpstreamError, type Upstream } from '@seckill/runtime';
import { test } from 'tap';
import { createOrderClient } from '../../src/upstream/order-client.ts';
import { expectBody } from '../../src/upstream/upstream-answer.ts';

const TRACE = { requestId: 'r', language: 'en' } as const;

const standing = async (status: number, body?: unknown) => {
  const upstream = { call: async () => ({ status, body }) } as unknown as Upstream;
  return createOrderClient(upstream, {} as never).standing('pears', TRACE);
};

await test('an order that drains, sheds or is older is away, and so is no PostgreSQL', async (t) => {
  const overloaded = { code: 'overloaded', status: 503 };
  t.equal(await standing(503, { ...overloaded, away: 'postgres' }), 'postgres_away');
  t.equal(await standing(503), 'order_away', 'a process that drains');
  t.equal(await standing(503, overloaded), 'order_away');
  t.equal(await standing(404, { code: 'not_found', status: 404 }), 'order_away', 'an older one');
  await t.rejects(standing(404, { code: 'sale_not_found', status: 404 }), { code: 'sale_not_found' });
  const cut = { call: () => Promise.reject(new UpstreamError('unknown', 'cut', undefined)) };
  const client = createOrderClient(cut as unknown as Upstream, {} as never);
  t.equal(await client.standing('pears', TRACE), 'order_away');
});

await test('buyers do not hear which engine is away', (t) => {
  const body = { code: 'overloaded', status: 503, away: 'postgres' };
  t.throws(() => expectBody({ status: 503, body }), { code: 'overloaded', extra: {} });
  try {
    expectBody({ status: 503, body });
  } catch (error) {
    t.same((error as { extra: unknown }).extra, {});
  }
  t.end();
});
