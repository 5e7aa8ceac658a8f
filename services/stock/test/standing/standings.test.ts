// Goal: a lane that something else has written to is told as damaged, not as a Redis that is away.
// Method: the routes on a real Redis, in which the test damages keys of its own sale.
import { test } from 'tap';
import { laneKeys } from '../../src/redis/keys.ts';
import { build } from '../support/build.ts';

await test('a lane that nobody can read is damaged, and Redis answers', async (t) => {
  const built = await build(t);
  const sale = built.addSale();
  await built.hand(sale);
  const keys = laneKeys({ saleId: sale.saleId, lane: 0 });
  const { redis } = built.connection;
  const read = async () =>
    (await built.send('GET', `/internal/sales/${sale.saleId}/standing`, { as: 'gateway' })).body;
  const whole = await read();
  t.match(whole, { state: { gate: 'open' }, kafka: 'answers' });
  t.notOk(whole['isDamaged']);
  await redis.set(keys.outbox, 'x');
  t.match(await read(), { isDamaged: true }, 'a part of it');
  await redis.set(keys.state, 'x');
  const damaged = await read();
  t.match(damaged, { isDamaged: true });
  t.notOk(damaged['state']);
});
