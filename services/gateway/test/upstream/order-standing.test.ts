// Goal: what is told to be away is away, since the first call that heard nothing, and a service of the
// release before is not. Method: answers as they come from the wire.
import { UpstreamError, type Upstream, type UpstreamAnswer } from '@seckill/runtime';
import { test } from 'tap';
import { createOrderClient } from '../../src/upstream/order-client.ts';
import { createStockClient } from '../../src/upstream/stock-client.ts';
import { expectBody } from '../../src/upstream/upstream-answer.ts';

const TRACE = { requestId: 'r', language: 'en' } as const;

const answering = (answers: (() => Promise<UpstreamAnswer>)[]) => {
  const upstream = { call: () => answers.shift()?.() } as unknown as Upstream;
  return { order: createOrderClient(upstream, {} as never), stock: createStockClient(upstream, {} as never) };
};
const answer = (status: number, body?: unknown) => () => Promise.resolve({ status, body });
const cut = () => Promise.reject(new UpstreamError('unknown', 'cut', undefined));
const standing = async (status: number, body?: unknown) =>
  answering([answer(status, body)]).order.standing('pears', TRACE);
const OVERLOADED = { code: 'overloaded', status: 503 };
const POSTGRES_AWAY = { ...OVERLOADED, away: 'postgres' };
const NO_ROUTE = { code: 'not_found', status: 404 };

await test('an order that drains, sheds or is older is no PostgreSQL that is away', async (t) => {
  t.match(await standing(503, POSTGRES_AWAY), { cause: 'postgres_away' });
  t.match(await standing(503), { cause: 'order_away' }, 'a process that drains');
  t.match(await standing(503, OVERLOADED), { cause: 'order_away' });
  t.same(await standing(404, NO_ROUTE), { cause: 'order_older' }, 'an upgrade goes on');
  await t.rejects(standing(404, { code: 'sale_not_found', status: 404 }), { code: 'sale_not_found' });
  t.match(await answering([cut]).order.standing('pears', TRACE), { cause: 'order_away' });
});

await test('a stock of the release before tells its state, and is not away', async (t) => {
  const state = { saleId: 'pears' };
  const { stock } = answering([answer(404, NO_ROUTE), answer(200, state)]);
  t.same(await stock.standing('pears', TRACE), { state, fullChannels: [] });
  t.match(await answering([answer(503)]).stock.standing('pears', TRACE), { isAway: true });
});

await test('since when something is away is told from the first call that failed', async (t) => {
  const since = (value: unknown) => (value as { since?: number }).since;
  const before = Date.now();
  /** The clock goes on. */
  const tick = () => {
    for (const at = Date.now(); Date.now() === at;);
  };
  const away = async (ask: () => Promise<unknown>) => {
    const first = since(await ask());
    t.ok((first ?? 0) >= before);
    tick();
    t.equal(since(await ask()), first, 'the first of them');
    return first ?? 0;
  };
  const { stock } = answering([cut, cut, answer(200, {}), cut, cut]);
  const first = await away(() => stock.standing('pears', TRACE));
  await stock.standing('pears', TRACE);
  tick();
  t.ok((await away(() => stock.standing('pears', TRACE))) > first, 'it was there meanwhile');
  const postgres = answer(503, POSTGRES_AWAY);
  const { order } = answering([cut, cut, postgres, postgres, answer(200, {}), postgres, postgres]);
  await away(() => order.standing('pears', TRACE));
  const out = await away(() => order.standing('pears', TRACE));
  await order.sale('pears', TRACE);
  tick();
  t.ok((await away(() => order.standing('pears', TRACE))) > out, 'any other call tells that it is back');
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
